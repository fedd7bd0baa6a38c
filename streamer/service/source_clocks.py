"""The clocks of sources as this process sees them; one that is always hours off is said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

import numpy as np
import structlog
from numpy.typing import NDArray

from streamer.core.source_skew import Clock, SourceSkew
from streamer.service import metrics

_log = structlog.get_logger(__name__)


class ClockJson(TypedDict):
    """The clock of one source as `/sources` serves it."""

    source: str
    behind_seconds: float
    is_off: bool


class SourceClocks:
    """Follows the clocks of sources."""

    def __init__(self) -> None:
        self._skew = SourceSkew()
        self._said: set[str] = set()

    def take(
        self,
        sources: Sequence[object],
        patients: Sequence[str],
        recorded_ms: NDArray[np.int64],
        measured_ms: NDArray[np.int64],
    ) -> None:
        """Takes the observations of a batch whose messages are out, see ``SourceSkew.take``."""
        for clock in self._skew.take(sources, patients, recorded_ms, measured_ms):
            if clock.name not in self._said:
                self._said.add(clock.name)
                _log.warning(
                    "the clock of a source is hours off",
                    source=clock.name,
                    behind_seconds=_seconds(clock),
                )

    def listed(self) -> list[ClockJson]:
        """All clocks that were judged, those that are off first; read by any thread."""
        return [
            {"source": clock.name, "behind_seconds": _seconds(clock), "is_off": clock.is_off}
            for clock in self._skew.clocks()
        ]

    def behind(self) -> Mapping[str, float]:
        """Seconds that each source is behind, by its name."""
        return {clock.name: _seconds(clock) for clock in self._skew.clocks()}


def _seconds(clock: Clock) -> float:
    return (clock.behind_ms or 0) / 1000


CLOCKS: Final = SourceClocks()
"""The clocks of the sources of this process."""
metrics.SOURCE_BEHIND.set_function(CLOCKS.behind)
