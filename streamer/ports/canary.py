"""Port of the canary: the input topic as any sender writes it, and the topics on which it is heard.

A canary belongs to no consumer group and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol


class Widths(NamedTuple):
    """Numbers of partitions: of the input, and of the narrower one of the canary's topics."""

    vitals: int
    canary: int


class Heard(NamedTuple):
    """One committed record of a canary's topic."""

    kind: Literal["risk", "alert"]
    partition: int
    key: bytes | None
    value: bytes | None
    traceparent: bytes | None


class CanaryLog(Protocol):
    """Sends canaries by their keys, and hears what they cause."""

    def widths(self) -> Widths:
        """Returns how wide the topics are now; what is heard comes from all of them afterwards.

        Raises:
            LogUnavailable: the log does not answer, or a topic is missing.
        """

    def partition_of(self, key: bytes) -> int:
        """Returns where the sender's partitioner puts a key, for the widths of the last question.

        It is the one that ``send`` uses.
        """

    def send(self, key: bytes, values: Sequence[bytes], traceparent: bytes) -> None:
        """Hands records of one key to the sender, in this order; it does not wait for the log.

        A record that is not taken within some seconds is given up.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def poll(self, timeout_s: float) -> Sequence[Heard]:
        """Returns what was committed since the last call, from the end at the first ``widths`` on.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def close(self) -> None:
        """Closes the connections; what waits to be sent is given up."""
