"""Records of the topic of states: stays with the offset that they include, marks, and days.

A stay's value is its stored form (`core.codec`); without a value, the stay has ended. A mark says
from which offset on the log is to be replayed into the stays, and by which model. A day says with
which record of the log it began. Offsets count in one input topic, so each record names it by its
id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streamer.core import stored_formats
from streamer.core.codec import Era, format_of
from streamer.ports.log import Output
from streamer.ports.state_topic import StateRecord
from streamer.service.log_days import LogDays

OF_NO_STAY: Final = b"\x00"
"""With it begins the key of each record that is of no stay: no patient id has it."""

MARK_KEY: Final = OF_NO_STAY + b"mark"
"""It is one key, so compaction keeps the last mark."""

_DAY_KEY: Final = OF_NO_STAY + b"day/"
"""A key for each day: some 365 short records a year are kept for ever."""


class Mark(NamedTuple):
    """What is known of all stays of a partition at once.

    Attributes:
        since: H: every change by events before this offset is in the topic.
        era: the model that steps the events from there on.
        day: the day of the log before that offset; ``None`` in a mark of an earlier version.
    """

    since: int
    era: Era
    day: int | None


@dataclass(frozen=True, slots=True)
class Origin:
    """What a record is about: a partition of an input topic, and the model that steps it."""

    partition: int
    log_id: str
    era: Era


def stay_record(topic: str, origin: Origin, patient: str, stay: bytes | None, w: int) -> Output:
    """Returns the record of a stay.

    Args:
        topic: name of the topic of states.
        origin: of the stay.
        patient: whose stay it is.
        stay: its stored form; ``None`` if it has ended.
        w: the first offset that it does not include.
    """
    headers = [
        ("w", b"%d" % w),
        ("log", origin.log_id.encode()),
        ("model", origin.era.model_id.encode()),
        ("swaps", b"%d" % origin.era.swaps),
        ("format", b"%d" % (stored_formats.WITHOUT_OWN if stay is None else format_of(stay))),
    ]
    return Output(topic, origin.partition, patient.encode(), stay, headers)


def mark_record(topic: str, origin: Origin, mark: Mark) -> Output:
    """Returns the record of a mark."""
    content = {
        "since": mark.since,
        "model": mark.era.model_id,
        "swaps": mark.era.swaps,
        "day": mark.day,
    }
    value, headers = json.dumps(content).encode(), [("log", origin.log_id.encode())]
    return Output(topic, origin.partition, MARK_KEY, value, headers)


def day_record(topic: str, origin: Origin, offset: int, day: int) -> Output:
    """Returns the record of a day of the log that began with the record at an offset."""
    headers = [("w", b"%d" % offset), ("log", origin.log_id.encode())]
    return Output(topic, origin.partition, _DAY_KEY + b"%d" % day, b"", headers)


@dataclass(slots=True)
class Snapshot:
    """The newest records of a partition.

    Attributes:
        mark: the last mark; ``None`` without one.
        stays: by patient, the first offset that it does not include, and the stored stay;
            ``None`` if it has ended.
        n_foreign: records that are not of this input topic, or nobody of ours wrote.
    """

    mark: Mark | None
    stays: dict[str, tuple[int, bytes | None]]
    n_foreign: int = 0
    _days: dict[int, int] = field(default_factory=dict)  # where each began

    def add(self, record: StateRecord, log_id: str) -> None:
        """Takes in the next record of the partition.

        Args:
            record: the record.
            log_id: id of the input topic; records of another one are passed over.
        """
        if record.headers.get("log") != log_id.encode():
            self.n_foreign += 1
            return
        try:
            if record.key == MARK_KEY:
                self.mark = _mark(record.value or b"")
            elif record.key.startswith(_DAY_KEY):
                day = int(record.key.removeprefix(_DAY_KEY))
                self._days[day] = int(record.headers["w"])
            else:
                self.stays[record.key.decode()] = int(record.headers["w"]), record.value
        except (ValueError, KeyError, TypeError, AttributeError):
            self.n_foreign += 1

    @property
    def last(self) -> int:
        """The first offset that no stay includes."""
        return max((w for w, _ in self.stays.values()), default=0)

    def log_days(self) -> LogDays | None:
        """The days of the log from the mark on; ``None`` if the mark has none."""
        if self.mark is None or self.mark.day is None:
            return None
        days = LogDays(self.mark.since - 1, self.mark.day)
        for day, offset in sorted(self._days.items()):
            days.begin(offset, day)
        return days

    def firsts(self) -> Mapping[bytes | None, int]:
        """The first event that each stay may lack, by the key of its records.

        A stay goes to the topic when it begins. So whoever has none there has begun none before the
        ``last`` offset.
        """
        return {p.encode(): w for p, (w, stay) in self.stays.items() if stay is not None}


def _mark(value: bytes) -> Mark:
    content = json.loads(value)
    day = content.get("day")
    era = Era(str(content["model"]), int(content["swaps"]))
    return Mark(int(content["since"]), era, None if day is None else int(day))
