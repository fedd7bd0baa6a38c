"""The points between two effects at which a trial ends or stops the process.

`STREAMER_FAULT` names where and when, so that what is tried is the program that runs in production
and not one that was patched for the trial. Empty, the default, nothing ever happens. What strikes
is in `fault_injection`, which the container image does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

POINTS: Final = (
    "after_take",
    "before_transaction",
    "in_transaction",
    "after_transaction",
    "between_saves",
    "after_save",
)
"""The points that a batch passes: a partition was taken; its messages are not sent, sent and not
committed, committed; some partitions' states are saved, all are."""

Fault = Callable[[str], None]


def nothing(point: str) -> None:
    """The fault of every day: none."""
    del point


def parse(text: str) -> Fault:
    """Reads a fault, as ``fault_injection.parse``; of an empty text it is ``nothing``.

    Raises:
        ValueError: the text is no fault, or this installation cannot cause any.
    """
    if not text:
        return nothing
    try:
        from streamer.service import fault_injection  # noqa: PLC0415 - images are without it
    except ImportError:
        raise ValueError("faults on purpose are not part of this installation") from None
    return fault_injection.parse(text)
