"""Records of the topic of states: stays with the offset that they include, and marks.

A stay's value is its stored form (`core.codec`); without a value, the stay has ended. A mark says
from which offset on the log is to be replayed into the stays, and by which model. Offsets count in
one input topic, so each record names it by its id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from streamer.core.codec import VERSION, Era
from streamer.ports.log import Output
from streamer.ports.state_topic import StateRecord

MARK_KEY: Final = b"\x00mark"
"""No patient id has a control character. It is one key, so compaction keeps the last mark."""


class Mark(NamedTuple):
    """What is known of all stays of a partition at once.

    Attributes:
        since: H: every change by events before this offset is in the topic.
        era: the model that steps the events from there on.
    """

    since: int
    era: Era


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
        ("format", b"%d" % VERSION),
    ]
    return Output(topic, origin.partition, patient.encode(), stay, headers)


def mark_record(topic: str, origin: Origin, mark: Mark) -> Output:
    """Returns the record of a mark."""
    content = {"since": mark.since, "model": mark.era.model_id, "swaps": mark.era.swaps}
    value, headers = json.dumps(content).encode(), [("log", origin.log_id.encode())]
    return Output(topic, origin.partition, MARK_KEY, value, headers)


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
            else:
                self.stays[record.key.decode()] = int(record.headers["w"]), record.value
        except (ValueError, KeyError, TypeError):
            self.n_foreign += 1

    @property
    def last(self) -> int:
        """The first offset that no stay includes."""
        return max((w for w, _ in self.stays.values()), default=0)

    def firsts(self) -> Mapping[bytes | None, int]:
        """The first event that each stay may lack, by the key of its records.

        A stay goes to the topic when it begins. So whoever has none there has begun none before the
        ``last`` offset.
        """
        return {p.encode(): w for p, (w, stay) in self.stays.items() if stay is not None}


def _mark(value: bytes) -> Mark:
    content = json.loads(value)
    return Mark(int(content["since"]), Era(str(content["model"]), int(content["swaps"])))
