"""Fault points: names that the code calls between two effects, so that a test can fail there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Fault: TypeAlias = Callable[[str], None]
"""Called with the name of a fault point; it may end or stop the process."""


def no_fault(point: str) -> None:
    """Does nothing at any point: the default outside tests."""
    del point
