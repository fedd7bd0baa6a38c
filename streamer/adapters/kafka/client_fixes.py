"""Repairs of kafka-python 3.0.12, which waits for ever in two places and leaks in a third."""

from __future__ import annotations

from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaConnectionError
from kafka.net.compat import KafkaNetClient


class UnhurriedClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """Says that a broker is not ready, where the client of kafka-python raises an error.

    The producer's sender takes the next request of a transaction from its queue and waits for the
    coordinator's connection. Told "not ready", it puts the request back and looks for the new
    coordinator; on an error it forgets the request, and `commit_transaction` never returns.
    """

    def await_ready(self, node_id: object, timeout_ms: int = 30_000) -> bool:
        """Waits for a connection; returns whether there is one."""
        try:
            return bool(super().await_ready(node_id, timeout_ms))
        except KafkaConnectionError:
            return False


class ResumingConsumer(KafkaConsumer):  # type: ignore[misc]
    """Fetches a partition again that was paused while some of its records were waiting here.

    kafka-python puts these records aside, takes them up again only if it has drained no other
    partition since, and until then fetches nothing more of theirs: possibly never.
    """

    def resume(self, *partitions: TopicPartition) -> None:
        """Ends a pause; what was put aside is fetched again from the position."""
        super().resume(*partitions)
        for partition in partitions:
            self._fetcher._paused_partition_records.pop(partition, None)


class TidyAdmin(KafkaAdminClient):  # type: ignore[misc]
    """Lets go of its thread and its sockets when it finds no broker."""

    def __init__(self, **configs: Any) -> None:
        try:
            super().__init__(**configs)
        except BaseException:
            self._closed = not hasattr(self, "_net")
            self.close()
            raise
