"""`KafkaCluster`: three brokers on this machine, each also a controller; any one may fail."""

import shutil
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from rich.console import Console

from streamer.local import ports
from streamer.local.errors import LocalStackError
from streamer.local.kafka import KafkaServer, Quorum, new_id
from streamer.local.server import START_DEADLINE_S

_BROKERS: Final = 3  # the smallest number that keeps a majority when one dies
_HEAP_MB: Final = 256  # of each broker; a test's records are few
_POLL_S: Final = 0.1


class KafkaCluster:
    """Three brokers of one cluster, for as long as a `with` block lasts::

        with KafkaCluster() as cluster:
            ...
            leader = cluster.leader_of("vitals", 0)
            leader.kill()
            leader.start()

    Kafka's own topics have three replicas, two of them in sync; other topics should have the same.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._folder: Path | None = None
        self.brokers: list[KafkaServer] = []

    @property
    def address(self) -> str:
        """Bootstrap addresses for clients: every broker's `host:port`, separated by commas."""
        return ",".join(broker.address for broker in self.brokers)

    def leader_of(self, topic: str, partition: int, deadline_s: float = 30.0) -> KafkaServer:
        """The broker that takes a partition's records now; waits while one is elected.

        Raises:
            LocalStackError: there was none within the deadline.
        """
        give_up_at = time.monotonic() + deadline_s
        while time.monotonic() < give_up_at:
            with suppress(KafkaError):
                node = self._leader(topic, partition)
                if 1 <= node <= len(self.brokers) and self.brokers[node - 1].running:
                    return self.brokers[node - 1]
            time.sleep(_POLL_S)
        raise LocalStackError(
            f"partition {partition} of {topic} had no leader for {deadline_s:.0f} s"
        )

    def _leader(self, topic: str, partition: int) -> int:
        addresses = [broker.address for broker in self.brokers if broker.running]
        with closing(KafkaAdminClient(bootstrap_servers=addresses)) as admin:
            (described,) = admin.describe_topics([topic])
        return next(
            int(replicas["leader_id"])
            for replicas in described["partitions"]
            if replicas["partition_index"] == partition
        )

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vigil-cluster-"))
        taken: set[int] = set()
        for _ in range(2 * _BROKERS):
            taken.add(ports.choose_other_than(taken, "Kafka"))
        chosen = sorted(taken)
        nodes = range(1, _BROKERS + 1)
        cluster_id, controllers = new_id(), dict(zip(nodes, chosen, strict=False))
        self.brokers = [
            KafkaServer(
                self._folder / str(node),
                port,
                console=self._console,
                quorum=Quorum(node, cluster_id, controllers),
                heap_mb=_HEAP_MB,
            )
            for node, port in zip(nodes, chosen[_BROKERS:], strict=True)
        ]
        for broker in self.brokers:
            broker.launch()
        give_up_at = time.monotonic() + START_DEADLINE_S
        for broker in self.brokers:
            broker.wait_until_ready(max(0.0, give_up_at - time.monotonic()))

    def _stop(self) -> None:
        """Kill all brokers: an orderly stop would make them wait for each other, for nothing."""
        try:
            for broker in self.brokers:
                broker.kill()
        finally:
            self.brokers = []
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None
