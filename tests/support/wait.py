"""Waiting for something to become true, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.02


def wait_until(condition: Callable[[], T], deadline_s: float, what: str = "the condition") -> T:
    """Call `condition` until it returns something true, and return that.

    Raises:
        AssertionError: it was still false when the deadline had passed.
    """
    give_up_at = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > give_up_at:
            raise AssertionError(f"{what} did not come true within {deadline_s} s")
        time.sleep(_POLL_S)
