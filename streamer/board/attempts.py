"""Limits of attempts: logins a minute, and PINs until a pause."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

_MOST_KEYS: Final = 10_000  # addresses and names are the askers' choice: memory is bounded


class Attempts:
    """At most so many attempts in a window, by key.

    >>> logins = Attempts(most=2, window_s=60)
    >>> [logins.take("10.0.0.1", now_s) for now_s in (0, 1, 2, 61)]
    [True, True, False, True]
    """

    def __init__(self, most: int, window_s: float) -> None:
        self._most, self._window_s = most, window_s
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, key: str, now_s: float) -> bool:
        """Counts an attempt; returns whether it is allowed. One that is not, is not counted."""
        times = self._times.setdefault(key, deque())
        self._times.move_to_end(key)
        while len(self._times) > _MOST_KEYS:
            self._times.popitem(last=False)
        while times and times[0] <= now_s - self._window_s:
            times.popleft()
        if len(times) >= self._most:
            return False
        times.append(now_s)
        return True


class Lockout:
    """After so many failures in a row, a pause, by key.

    >>> pins = Lockout(most=2, pause_s=300)
    >>> pins.failed("a.nurse", 0), pins.failed("a.nurse", 1)
    (None, None)
    >>> pins.is_open("a.nurse", 2), pins.is_open("a.nurse", 301)
    (False, True)
    """

    def __init__(self, most: int, pause_s: float) -> None:
        self._most, self._pause_s = most, pause_s
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def is_open(self, key: str, now_s: float) -> bool:
        """Whether a try is allowed."""
        n, last_s = self._failures.get(key, (0, 0.0))
        if n >= self._most and now_s - last_s >= self._pause_s:
            del self._failures[key]
            return True
        return n < self._most

    def failed(self, key: str, now_s: float) -> None:
        """Counts a failure."""
        n, _ = self._failures.pop(key, (0, 0.0))
        self._failures[key] = n + 1, now_s
        while len(self._failures) > _MOST_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forgets the failures."""
        self._failures.pop(key, None)
