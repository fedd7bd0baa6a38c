"""The in-memory twin of `adapters.kafka.state_topic`: same contract, one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamer.adapters.memory.log import MemoryBroker
from streamer.ports.log import LogUnavailable
from streamer.ports.state_topic import StateRecord


class MemoryStateTopic:
    """The topic of states of a broker in memory.

    Attributes:
        available: set false to simulate a log that does not answer.

    Args:
        broker: keeps the records of committed transactions.
        topic: name of the topic.
    """

    def __init__(self, broker: MemoryBroker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self.available = True

    def read(self, partition: int | None = None) -> Iterator[Sequence[StateRecord]]:
        """See ``StateTopic``."""
        if not self.available:
            raise LogUnavailable("the memory log is switched off")
        for output in self._broker.outputs:
            if output.topic == self._topic and partition in (None, output.partition):
                headers = dict(output.headers)
                yield [StateRecord(output.partition, output.key or b"", output.value, headers)]
