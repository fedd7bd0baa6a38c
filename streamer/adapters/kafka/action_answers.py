"""The answer to an action: the stay it is about, and the phase that the service says of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from kafka import TopicPartition

from streamer.adapters.kafka.errors import close_quietly, kafka_errors
from streamer.adapters.kafka.read import committed_reader, partitions_of, position_of

_POLL_MS: Final = 100
_RECORDS_A_POLL: Final = 2_000


def last_value(
    connection: Mapping[str, Any], topic: str, key: bytes, deadline_s: float
) -> bytes | None:
    """Returns the last value of a key in a compacted topic, read from its beginning.

    Args:
        connection: passed to the client as it is.
        topic: the topic; all partitions are read.
        key: of the wanted record.
        deadline_s: seconds after which what was read so far counts.

    Raises:
        LogNotAllowed: this user may not read the topic.
        LogUnavailable: no broker answers.
    """
    value: bytes | None = None
    with kafka_errors():
        tps = partitions_of(connection, topic)[topic]
        with contextlib.closing(committed_reader(connection)) as reader:
            reader.assign(tps)
            ends = reader.end_offsets(tps)
            give_up_at = time.monotonic() + deadline_s
            while any(position_of(reader, tp) < ends[tp] for tp in tps):
                if time.monotonic() > give_up_at:
                    break
                for records in reader.poll(_POLL_MS, _RECORDS_A_POLL).values():
                    for record in records:
                        value = record.value if record.key == key else value
    return value


class AnswerReader:
    """Reads what is written to one partition of the alerts from now on.

    Args:
        connection: passed to the client as it is.
        topic: of the alerts.
        partition: of the patient.

    Raises:
        LogUnavailable: no broker answers.
    """

    def __init__(self, connection: Mapping[str, Any], topic: str, partition: int) -> None:
        with kafka_errors():
            self._reader = committed_reader(connection, from_beginning=False)
            tp = TopicPartition(topic, partition)
            self._reader.assign([tp])
            self._reader.seek(tp, self._reader.end_offsets([tp])[tp])

    def wait(self, is_answer: Callable[[bytes], bool], deadline_s: float) -> bytes | None:
        """Returns the first value that is the answer; ``None`` if none comes in time.

        Raises:
            LogUnavailable: no broker answers.
        """
        give_up_at = time.monotonic() + deadline_s
        with kafka_errors():
            while time.monotonic() < give_up_at:
                for records in self._reader.poll(_POLL_MS).values():
                    for record in records:
                        if record.value is not None and is_answer(record.value):
                            value: bytes = record.value
                            return value
        return None

    def close(self) -> None:
        """Closes the connection."""
        close_quietly(self._reader)
