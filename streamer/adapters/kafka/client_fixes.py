"""Repairs of kafka-python 3.0.12: endless waits, a commit that cannot be fenced, leaks."""

from __future__ import annotations

from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from kafka.net.compat import KafkaNetClient
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from streamer.adapters.kafka import large_answers  # noqa: F401  # in force for every client
from streamer.adapters.kafka.answers import PunctualNet


class UnhurriedClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """Reports that a broker is not ready where kafka-python's client raises an error.

    The producer's sender takes the next request of a transaction from its queue and waits for the
    coordinator's connection. On "not ready" it puts the request back and looks for the new
    coordinator; on an error it forgets the request, and `commit_transaction` never returns.
    """

    def await_ready(self, node_id: object, timeout_ms: int = 30_000) -> bool:
        """Waits for a connection; returns whether there is one."""
        try:
            return bool(super().await_ready(node_id, timeout_ms))
        except KafkaConnectionError:
            return False


class GroupMember(ConsumerCoordinator):  # type: ignore[misc]
    """A member that finishes its joins, and knows in which generation its partitions are its own.

    *Joins that outlast a poll.* A member that assigns the partitions joins again when the topic's
    metadata change. In kafka-python the join takes note of the metadata itself. If the poll is over
    by then, the next one sees no reason to join: the answer is never read, no heartbeat is sent,
    the group gives the member up, and each poll keeps the processor busy.

    *Generations.* kafka-python changes the generation while a poll waits for records: a refused
    heartbeat clears it, and the answer to a join brings the next one. The assignment changes later,
    in the next poll. Offsets of records of the old assignment would then be committed in the new
    generation, or in none, which the broker takes for a client that cannot be fenced: it accepts
    them, although another member has committed the same records.

    Attributes:
        assigned_as: membership with which the present partitions were assigned; the broker refuses
            commits with it as soon as it is over. ``None`` before the first assignment.
    """

    assigned_as: ConsumerGroupMetadata | None = None

    def need_rejoin(self) -> bool:
        """Whether to join the group, or to go on joining it."""
        joins = self.rejoining and self._subscription.partitions_auto_assigned()
        return bool(joins or super().need_rejoin())

    def settled_offset(self, tp: TopicPartition, timeout_ms: int) -> OffsetAndMetadata | None:
        """Asks once for the group's offset; `fetch_committed_offsets` asks until it is settled.

        Raises:
            UnstableOffsetCommitError: a transaction that moves it is open.
            KafkaError: no answer within ``timeout_ms``, or a refusal.
        """

        async def ask() -> Any:
            if not await self.ensure_coordinator_ready_async(timeout_ms=timeout_ms):
                raise KafkaTimeoutError("the group's coordinator is away")
            answer = self._manager.call_soon(self._send_offset_fetch_request, [tp])
            return await self._manager.wait_for(answer, timeout_ms)

        return self._net.run(ask).get(tp)

    async def _on_join_complete_async(
        self, generation: int, member_id: str, protocol: str, assignment: bytes
    ) -> None:
        await super()._on_join_complete_async(generation, member_id, protocol, assignment)
        self.assigned_as = ConsumerGroupMetadata(
            group_id=self.group_id,
            generation_id=generation,
            member_id=member_id,
            group_instance_id=self.group_instance_id,
        )


class ResumingConsumer(KafkaConsumer):  # type: ignore[misc]
    """Fetches a resumed partition again if it was paused while fetched records were waiting.

    kafka-python puts these records aside and takes them up again only if it has drained no other
    partition since. Until then, possibly for ever, it fetches nothing more of the partition.
    """

    def __init__(self, *topics: str, **configs: Any) -> None:
        super().__init__(*topics, **configs)
        self._coordinator.__class__ = GroupMember  # there is no option for it
        self._net.__class__ = PunctualNet

    @property
    def assigned_as(self) -> ConsumerGroupMetadata | None:
        """The membership with which the present partitions were assigned."""
        membership: ConsumerGroupMetadata | None = self._coordinator.assigned_as
        return membership

    def settled_offset(self, tp: TopicPartition, timeout_ms: int) -> OffsetAndMetadata | None:
        """See ``GroupMember``."""
        return self._coordinator.settled_offset(tp, timeout_ms)

    def ping(self) -> None:
        """Asks the network thread for a sign of life.

        Raises:
            ClientHung: it gives none.
        """

        async def answer() -> None:
            """Does nothing."""

        self._net.run(answer)

    def fetch_at_most(self, n_bytes: int) -> None:
        """Bounds one partition's part of the fetches from now on."""
        self._fetcher.config["max_partition_fetch_bytes"] = n_bytes

    @property
    def has_waiting(self) -> bool:
        """Whether records were fetched that no poll has handed over yet."""
        return bool(self._fetcher._completed_fetches or self._fetcher._next_partition_records)

    def known_position(self, tp: TopicPartition) -> int | None:
        """The offset that is read next, as far as it is known: `position` may ask the group."""
        state = self._subscription.assignment.get(tp)
        position = None if state is None else state.position
        return None if position is None else int(position.offset)

    def resume(self, *partitions: TopicPartition) -> None:
        """Ends a pause; records that were put aside are fetched again from the position."""
        super().resume(*partitions)
        for partition in partitions:
            self._fetcher._paused_partition_records.pop(partition, None)


class TidyAdmin(KafkaAdminClient):  # type: ignore[misc]
    """Closes its thread and sockets when no broker answers."""

    def __init__(self, **configs: Any) -> None:
        try:
            super().__init__(**configs)
        except BaseException:
            self._closed = not hasattr(self, "_net")
            self.close()
            raise
