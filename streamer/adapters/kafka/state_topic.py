"""The topic of states in Kafka, read as a whole when states are lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kafka import TopicPartition

from streamer.adapters.kafka.errors import kafka_errors
from streamer.adapters.kafka.read import committed_reader, partitions_of, position_of
from streamer.ports.log import LogUnavailable
from streamer.ports.state_topic import StateRecord

_POLL_MS: Final = 200
_RECORDS_A_POLL: Final = 1_000  # some 7 MB of stays
_SILENCE_S: Final = 10.0  # a broker that is up sends the next records within milliseconds


class KafkaStateTopic:
    """The topic of states that production uses; each reading has a connection of its own.

    Args:
        connection: passed to the client as it is (``bootstrap_servers``, security).
        topic: name of the topic.
    """

    def __init__(self, connection: Mapping[str, Any], topic: str) -> None:
        self._connection = connection
        self._topic = topic

    def read(self, partition: int | None = None) -> Iterator[Sequence[StateRecord]]:
        """See ``StateTopic``."""
        with kafka_errors():
            if partition is None:
                tps = partitions_of(self._connection, self._topic)[self._topic]
                if not tps:
                    return
            else:
                tps = [TopicPartition(self._topic, partition)]
            reader = committed_reader(self._connection)
            with contextlib.closing(reader):
                reader.assign(tps)
                # The end of what is committed. A transaction behind it may still be open; what is
                # before it is consistent by itself: its last mark says from where to replay.
                ends = reader.end_offsets(tps)
                reader.seek_to_beginning(*tps)
                heard = time.monotonic()
                while any(position_of(reader, tp) < end for tp, end in ends.items()):
                    polled = reader.poll(timeout_ms=_POLL_MS, max_records=_RECORDS_A_POLL)
                    records = [record for tp in tps for record in polled.get(tp, ())]
                    if records:
                        heard = time.monotonic()
                        yield [
                            StateRecord(r.partition, r.key or b"", r.value, dict(r.headers))
                            for r in records
                        ]
                    elif time.monotonic() - heard > _SILENCE_S:
                        raise LogUnavailable(
                            f"Kafka: topic {self._topic} cannot be read to its end"
                        )
