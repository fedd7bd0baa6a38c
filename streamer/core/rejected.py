"""A record of the rejected topic: what it carries, what has become of it, and which are chosen."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

REPLAYED_OF: Final = "replayed-of"
"""Header of a re-entered record: where it first came in, however often it has been refused."""
TRACEPARENT: Final = "traceparent"

Headers = Sequence[tuple[str, bytes]]


class Place(NamedTuple):
    """A record of the rejected topic; people know it by its offset, as there is one partition."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}" if self.partition else str(self.offset)

    @classmethod
    def parse(cls, text: str) -> Place:
        """Reads OFFSET or PARTITION/OFFSET.

        >>> Place.parse("17") == (0, 17), str(Place.parse("2/17"))
        (True, '2/17')

        Raises:
            ValueError: it is neither.
        """
        partition, _, offset = text.rpartition("/")
        place = cls(int(partition or 0), int(offset))
        if min(place) < 0:
            raise ValueError(f"{text!r} is below 0")
        return place


class Origin(NamedTuple):
    """Where a record was when it was refused: written ``vitals/3/1234``."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Standing(StrEnum):
    """What has become of a rejected record."""

    WAITING = "waiting"
    REENTERED = "re-entered"
    REFUSED_AGAIN = "refused again"


@dataclass(frozen=True, slots=True)
class Rejected:
    """One record of the rejected topic.

    Attributes:
        place: where it is in the rejected topic.
        time_ms: when it was refused, epoch milliseconds.
        key: as it was received.
        value: as it was received.
        headers: all that it carries, as text.
        origin: where it was refused; ``None`` where the headers do not say.
    """

    place: Place
    time_ms: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    origin: Origin | None

    @property
    def reason(self) -> str:
        """The reason header; empty where something else wrote the record."""
        return self.headers.get("reason", "")

    @property
    def first_origin(self) -> str:
        """Where its content came in for the first time; empty where nothing says so."""
        return self.headers.get(REPLAYED_OF) or str(self.origin or "")

    def standing(self, reentered: Container[Place]) -> Standing:
        """What has become of it, given which records were re-entered."""
        if self.place in reentered:
            return Standing.REENTERED
        return Standing.REFUSED_AGAIN if REPLAYED_OF in self.headers else Standing.WAITING

    def passed_on(self) -> list[tuple[str, bytes]]:
        """Returns the headers with which the record enters the input topic again."""
        kept = {REPLAYED_OF: self.first_origin, TRACEPARENT: self.headers.get(TRACEPARENT, "")}
        return [(name, value.encode()) for name, value in kept.items() if value]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rejected records are meant; what is not given does not restrict.

    Attributes:
        reasons: their reasons.
        offsets: their offsets in the rejected topic.
        partition: the input partition on which they were refused.
        since_ms: refused at this time or later, epoch milliseconds.
    """

    reasons: frozenset[str] = frozenset()
    offsets: range | None = None
    partition: int | None = None
    since_ms: int | None = None

    def chooses(self, rejected: Rejected) -> bool:
        """Whether a record is meant."""
        origin = rejected.origin
        return (
            (not self.reasons or rejected.reason in self.reasons)
            and (self.offsets is None or rejected.place.offset in self.offsets)
            and (
                self.partition is None
                or (origin is not None and origin.partition == self.partition)
            )
            and (self.since_ms is None or rejected.time_ms >= self.since_ms)
        )


def read(
    place: Place, time_ms: int, key: bytes | None, value: bytes | None, given: Headers
) -> Rejected:
    """Reads a record of the rejected topic; headers that are missing or odd are no error."""
    texts = {name: content.decode(errors="replace") for name, content in given if content}
    try:
        origin = Origin(texts["topic"], int(texts["partition"]), int(texts["offset"]))
    except (KeyError, ValueError):
        origin = None
    return Rejected(place, time_ms, key, value, texts, origin)
