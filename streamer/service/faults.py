"""Fault points: where a trial ends or stops the process, between two of its effects.

`STREAMER_FAULT` names the point and the passing, so that a trial runs the program that runs in
production, not a patched one. Empty, the default, nothing ever happens. The faults themselves are
in `fault_injection`, which the container image does not have.
"""

from __future__ import annotations

from typing import Final

from streamer.ports.faults import Fault, no_fault

POINTS: Final = (
    "after_take",
    "before_transaction",
    "in_transaction",
    "after_transaction",
    "between_saves",
    "after_save",
)
"""The points that a batch passes, in order: a partition is taken; its messages are not yet sent,
sent but not committed, committed; the states of some partitions are saved, of all."""


def parse(text: str) -> Fault:
    """Reads a fault, as ``fault_injection.parse``; an empty text is ``no_fault``.

    Raises:
        ValueError: the text is not a fault, or this installation cannot cause any.
    """
    if not text:
        return no_fault
    try:
        from streamer.service import fault_injection  # noqa: PLC0415 - images are without it
    except ImportError:
        raise ValueError("fault injection is not part of this installation") from None
    return fault_injection.parse(text)
