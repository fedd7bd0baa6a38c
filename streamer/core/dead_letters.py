"""A record of the rejected topic: what it carries, what has become of it, and which are chosen."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from streamer.core.actions import ACTION_MAC

REPLAYED_OF: Final = "replayed-of"
"""Header of a re-entered record: where it first came in, however often it has been refused."""
TRACEPARENT: Final = "traceparent"
TRUNCATED: Final = "truncated"
"""Header of a record whose value was cut: its length as it came, in bytes."""
TRUNCATED_KEY: Final = "truncated-key"
"""The same of its key."""

MAX_KEY_BYTES: Final = 64 * 1024
MAX_CONTENT_BYTES: Final = 16 * 1024 * 1024 - 64 * 1024
"""Of key and value together: what came in compressed may be larger than any message can be."""

Headers = Sequence[tuple[str, bytes]]


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
    EMPTY = "without value"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the rejected topic.

    Attributes:
        offset: where it is in the rejected topic, which has one partition.
        time_ms: when it was refused, epoch milliseconds.
        key: as it was received, or its beginning.
        value: as it was received, or its beginning.
        headers: all that it carries, as text.
        origin: where it was refused; ``None`` where the headers do not say.
    """

    offset: int
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

    def standing(self, reentered: Container[int]) -> Standing:
        """What has become of it, given the offsets of those that were re-entered."""
        if self.offset in reentered:
            return Standing.REENTERED
        if self.value is None:  # nothing to re-enter: no version will take it
            return Standing.EMPTY
        if TRUNCATED in self.headers or TRUNCATED_KEY in self.headers:  # it is not what came in
            return Standing.TRUNCATED
        return Standing.REFUSED_AGAIN if REPLAYED_OF in self.headers else Standing.WAITING

    def passed_on(self) -> list[tuple[str, bytes]]:
        """Returns the headers with which the record enters the input topic again."""
        kept = {REPLAYED_OF: self.first_origin} | {
            name: self.headers.get(name, "") for name in (TRACEPARENT, ACTION_MAC)
        }
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

    def chooses(self, rejected: DeadLetter) -> bool:
        """Whether a record is meant."""
        origin = rejected.origin
        return (
            (not self.reasons or rejected.reason in self.reasons)
            and (self.offsets is None or rejected.offset in self.offsets)
            and (
                self.partition is None
                or (origin is not None and origin.partition == self.partition)
            )
            and (self.since_ms is None or rejected.time_ms >= self.since_ms)
        )


def kept(
    key: bytes | None, value: bytes | None
) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    """Cuts what no message can hold.

    Returns:
        Key, value, and a header for each of them that was cut.
    """
    headers = []
    if key is not None and len(key) > MAX_KEY_BYTES:
        headers.append((TRUNCATED_KEY, b"%d" % len(key)))
        key = key[:MAX_KEY_BYTES]
    room = MAX_CONTENT_BYTES - len(key or b"")
    if value is not None and len(value) > room:
        headers.append((TRUNCATED, b"%d" % len(value)))
        value = value[:room]
    return key, value, headers


def read(
    offset: int, time_ms: int, key: bytes | None, value: bytes | None, headers: Headers
) -> DeadLetter:
    """Reads a record of the rejected topic; headers that are missing or odd are no error."""
    texts = {name: content.decode(errors="replace") for name, content in headers if content}
    origin: Origin | None = None
    with contextlib.suppress(KeyError, ValueError):
        partition, position = int(texts["partition"]), int(texts["offset"])
        if min(partition, position) >= 0:
            origin = Origin(texts["topic"], partition, position)
    return DeadLetter(offset, time_ms, key, value, texts, origin)
