"""A wait with a deadline for a condition, instead of a sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Short waits are polled often. Waits of seconds, such as the end of a session, are polled ten times
# a second: most conditions ask a broker, and brokers and services need the processor.
_FIRST_POLL_S = 0.02
_LAST_POLL_S = 0.1
_GROWTH = 1.25


def wait_until(condition: Callable[[], T], deadline_s: float, what: str = "the condition") -> T:
    """Call `condition` until it returns something true, and return that.

    Raises:
        AssertionError: it was still false when the deadline had passed.
    """
    give_up_at = time.monotonic() + deadline_s
    poll_s = _FIRST_POLL_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > give_up_at:
            raise AssertionError(f"{what} did not come true within {deadline_s} s")
        time.sleep(poll_s)
        poll_s = min(poll_s * _GROWTH, _LAST_POLL_S)
