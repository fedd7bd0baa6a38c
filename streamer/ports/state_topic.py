"""Port: the topic of states, from which lost states are restored.

`service.changelog` writes it, through the log's transactions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol


class StateRecord(NamedTuple):
    """One record of the topic of states; without a value, the stay of its key has ended."""

    partition: int
    key: bytes
    value: bytes | None
    headers: Mapping[str, bytes]


class StateTopic(Protocol):
    """The committed records of the topic of states."""

    def read(self, partition: int | None = None) -> Iterator[Sequence[StateRecord]]:
        """Iterates over the records of a partition to its end, in their order, in pages.

        Args:
            partition: its number; ``None`` for all, each in its own order.

        Raises:
            LogNotAllowed: this user may not read it.
            LogUnavailable: the log does not answer.
        """
