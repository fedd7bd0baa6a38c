"""Fault points: names that the code passes between two effects, so that a trial can fail there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Fault: TypeAlias = Callable[[str], None]
"""Called with the name of the point that is passed; it may end or stop the process."""


def no_fault(point: str) -> None:
    """Does nothing, at any point: the fault of every process that is not on trial."""
    del point
