"""Network outages of the whole ward: silence, then a burst of the queued messages."""

from __future__ import annotations

from typing import Final

from streamer.core.time import DAY_MS, MINUTE_MS
from streamer.sim.census import OUTAGE, stream
from streamer.sim.scenario import Scenario

_LENGTH_MS: Final = (5 * MINUTE_MS, 30 * MINUTE_MS)
_BURST_FACTOR: Final = 60  # the messages of a minute are sent in a second
# The gap between outages: by then the burst of the one before (30 s at most) is over.
_APART_MS: Final = 5 * MINUTE_MS


class Outages:
    """The outages of a scenario, drawn day by day as simulated time goes on."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._spans: list[tuple[int, int]] = []
        self._next_day = 0
        self._end_ms = scenario.start_ms

    def within(self, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        """Outages (start, end) that overlap [from_ms, to_ms); ``from_ms`` must never fall."""
        while self._scenario.start_ms + self._next_day * DAY_MS < to_ms:
            self._draw_day()
        self._spans = [span for span in self._spans if span[1] > from_ms]
        return [span for span in self._spans if span[0] < to_ms]

    def _draw_day(self) -> None:
        rng = stream(self._scenario, OUTAGE, self._next_day)
        day_ms = self._scenario.start_ms + self._next_day * DAY_MS
        count = int(rng.poisson(self._scenario.wire.outages_per_day))
        for start in sorted(rng.integers(0, DAY_MS, count).tolist()):
            start_ms = max(day_ms + start, self._end_ms + _APART_MS)
            end_ms = start_ms + int(rng.uniform(*_LENGTH_MS))
            self._spans.append((start_ms, end_ms))
            self._end_ms = end_ms
        self._next_day += 1


def release_ms(due_ms: int, spans: list[tuple[int, int]]) -> int:
    """The time at which a message due at ``due_ms`` gets through: after the outage, in order.

    >>> release_ms(150_000, [(120_000, 300_000)])
    300500
    >>> release_ms(400_000, [(120_000, 300_000)])
    400000
    """
    for start_ms, end_ms in spans:
        if start_ms <= due_ms < end_ms:
            return end_ms + (due_ms - start_ms) // _BURST_FACTOR
    return due_ms
