"""Ports of the board: the topics it reads, the record it writes, and how far the service is.

A board belongs to no consumer group and keeps nothing: it reads enough of each topic to know the
ward, then follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class WardRecord(NamedTuple):
    """One committed record of an output topic; ``value`` is ``None`` for a tombstone."""

    topic: str
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class WardTopics:
    """Names of the topics that a board reads."""

    stays: str
    risk: str
    alerts: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the service is: offsets by input partition.

    Attributes:
        ends: the next offset to be written.
        committed: the group's, ``None`` where it never committed; a partition whose offset a
            transaction is about to move is missing.
        risk_ends: the next offsets of the topic of risks: canaries move those of the input alone.
    """

    ends: Mapping[int, int] = field(default_factory=dict)
    committed: Mapping[int, int | None] = field(default_factory=dict)
    risk_ends: Mapping[int, int] = field(default_factory=dict)


class WardLog(Protocol):
    """The output topics, read without a group."""

    def load(self, now_ms: int) -> Iterator[Sequence[WardRecord]]:
        """Yields what is needed to know the ward now: all of `stays`, 24 h of `risk` as samples of
        each hour and the last one in full, 48 h of `alerts`.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def poll(self, timeout_s: float) -> Sequence[WardRecord]:
        """Returns the records that follow, in the order of each partition.

        Raises:
            LogUnavailable: the log does not answer, or does not hold what was to be read next;
                ``load`` again with a new ``WardLog``.
        """

    def alerts_since(self, since_ms: int) -> Iterator[Sequence[WardRecord]]:
        """Yields the alerts that were written since a time and are there now.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def close(self) -> None:
        """Closes the connections."""


class ServiceProgress(Protocol):
    """Asks how far the service is."""

    def ask(self) -> Progress:
        """Returns the ends of the input topic and of the risks, and the group's offsets.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def close(self) -> None:
        """Closes the connections."""


class ActionLog(Protocol):
    """Writes people's actions on the input topic, outside of any transaction."""

    def append(
        self,
        partition: int,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        timestamp_ms: int | None,
    ) -> int:
        """Appends one record and returns its offset, once all replicas have it.

        Args:
            partition: of the patient's events.
            key: the patient.
            value: the action.
            headers: of the record.
            timestamp_ms: of the record; ``None`` for now.

        Raises:
            LogUnavailable: no acknowledgement within some seconds; it may have been written.
        """

    def close(self) -> None:
        """Closes the connections."""
