"""The board's topics in Kafka: read without a group, sampled at the start, then followed.

A day of risks of 1,000 patients is 1.4 million records. The newest hour is read in full, so that
each last risk is the true one; of each hour before, the records of its first interval are enough
for a point of the curve.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from kafka import TopicPartition

from streamer.adapters.kafka.errors import close_quietly, kafka_errors
from streamer.adapters.kafka.fetched import BatchConsumer
from streamer.adapters.kafka.options import ASK_TIMEOUT_MS
from streamer.adapters.kafka.read import partitions_of, position_of
from streamer.core.time import HOUR_MS
from streamer.ports.log import LogUnavailable
from streamer.ports.ward import WardRecord, WardTopics

Ranges = dict[TopicPartition, tuple[int, int]]
"""Offsets to read by partition: the first one and the one after the last."""

_POLL_MS: Final = 200
_RECORDS_A_POLL: Final = 5_000
# A sample of one hour is some 50 KB a partition: a larger answer would be read for nothing.
_PARTITION_FETCH_BYTES: Final = 256 * 1024
_HOURS: Final = 24
_ALERT_HOURS: Final = 48
# The samples make sense while a day is long. A test, a demo or a small ward is read in full.
_READ_IN_FULL: Final = 100_000
_LOAD_DEADLINE_S: Final = 120.0  # a board that reads for longer begins anew, and says so


class KafkaWardLog:
    """See ``WardLog``.

    Args:
        connection: passed to every client as it is.
        topics: the names; `stays` may be missing, as an older service does not write it.
        interval_ms: event time between two risks of a patient.
    """

    def __init__(
        self, connection: Mapping[str, Any], topics: WardTopics, interval_ms: int = 60_000
    ) -> None:
        self._topics, self._interval_ms = topics, max(interval_ms, 60_000)
        self._give_up_at = time.monotonic() + _LOAD_DEADLINE_S
        with kafka_errors():
            names = [topics.stays, topics.risk, topics.alerts]
            self._partitions = partitions_of(
                connection, *names, bootstrap_timeout_ms=ASK_TIMEOUT_MS
            )
            missing = [n for n in (topics.risk, topics.alerts) if not self._partitions.get(n)]
            if missing:
                raise LogUnavailable(f"topics {missing} are missing; run `streamer topics`")
            self._consumer = BatchConsumer(
                **connection,
                bootstrap_timeout_ms=ASK_TIMEOUT_MS,
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="none",
                max_poll_records=_RECORDS_A_POLL,
                max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
                fetch_max_wait_ms=50,
                reconnect_backoff_max_ms=2_000,
            )

    def load(self, now_ms: int) -> Iterator[Sequence[WardRecord]]:
        """See ``WardLog``."""
        stays = self._partitions.get(self._topics.stays, [])
        risk = self._partitions[self._topics.risk]
        alerts = self._partitions[self._topics.alerts]
        with kafka_errors():
            ends: dict[TopicPartition, int] = self._consumer.end_offsets(
                [*stays, *risk, *alerts], ASK_TIMEOUT_MS
            )
            first: dict[TopicPartition, int] = self._consumer.beginning_offsets(
                [*stays, *risk, *alerts], ASK_TIMEOUT_MS
            )
            yield from self._read({tp: (first[tp], ends[tp]) for tp in stays})
            hour = now_ms // HOUR_MS * HOUR_MS
            recent = self._since(risk, now_ms - HOUR_MS, ends)
            day = self._since(risk, hour - _HOURS * HOUR_MS, ends)
            if sum(ends[tp] - day[tp] for tp in risk) <= _READ_IN_FULL:
                recent = day
            else:
                for back in range(_HOURS, 0, -1):
                    begin = self._since(risk, hour - back * HOUR_MS, ends)
                    end = self._since(risk, hour - back * HOUR_MS + self._interval_ms, ends)
                    yield from self._read({tp: (begin[tp], end[tp]) for tp in risk})
            yield from self._read({tp: (recent[tp], ends[tp]) for tp in risk})
            known = self._since(alerts, now_ms - _ALERT_HOURS * HOUR_MS, ends)
            yield from self._read({tp: (known[tp], ends[tp]) for tp in alerts})
            self._go_to(ends)

    def poll(self, timeout_s: float) -> Sequence[WardRecord]:
        """See ``WardLog``."""
        with kafka_errors():
            polled = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
        return _records(polled)

    def alerts_since(self, since_ms: int) -> Iterator[Sequence[WardRecord]]:
        """See ``WardLog``."""
        alerts = self._partitions[self._topics.alerts]
        with kafka_errors():
            ends = self._consumer.end_offsets(alerts, ASK_TIMEOUT_MS)
            begin = self._since(alerts, since_ms, ends)
            yield from self._read({tp: (begin[tp], ends[tp]) for tp in alerts})

    def close(self) -> None:
        """Closes the connections."""
        close_quietly(self._consumer)

    def _since(
        self, partitions: list[TopicPartition], time_ms: int, ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """The first offset with a timestamp, or a later one; the end where there is none."""
        times = dict.fromkeys(partitions, max(0, time_ms))
        offsets = self._consumer.offsets_for_times(times, ASK_TIMEOUT_MS)
        return {
            tp: ends[tp] if offsets[tp] is None else min(offsets[tp].offset, ends[tp])
            for tp in partitions
        }

    def _go_to(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Reads these partitions, and no other, from these offsets."""
        self._consumer.assign(list(offsets))
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)
        self._consumer.resume(*offsets)  # a partition that was assigned before stays paused

    def _read(self, ranges: Ranges) -> Iterator[Sequence[WardRecord]]:
        left = {tp: stop for tp, (start, stop) in ranges.items() if start < stop}
        if not left:
            return
        self._go_to({tp: ranges[tp][0] for tp in left})
        while left:
            if time.monotonic() > self._give_up_at:
                raise LogUnavailable("reading the ward's topics takes too long")
            polled = self._consumer.poll(timeout_ms=_POLL_MS)
            yield _records(polled, left)
            for tp in [tp for tp, stop in left.items() if position_of(self._consumer, tp) >= stop]:
                del left[tp]
                self._consumer.pause(tp)


def _records(
    polled: Mapping[TopicPartition, Sequence[Any]],
    stops: Mapping[TopicPartition, int] | None = None,
) -> list[WardRecord]:
    """The records of a poll; those at a stop and after it are left out."""
    records = []
    for tp, parts in polled.items():
        for record in chain.from_iterable(parts):
            if stops is None or record.offset < stops.get(tp, 0):
                records.append(WardRecord(tp.topic, record.timestamp_ms, record.key, record.value))
    return records
