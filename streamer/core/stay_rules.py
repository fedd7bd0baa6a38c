"""The rules of a stay's beginning, lateness and end, for one event or for arrays of them.

`parallel_waves.plan` applies them to all observations of a batch at once, `stay_lifecycle` to one
event at a time. Both call these functions, so an event cannot be late in one place and in time in
the other.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.hour_ring import LATE_BINS
from streamer.core.stays import NEVER
from streamer.core.time import DAY_MS

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

SILENCE_BINS: Final = 336
"""After two weeks without an event the next one begins a new stay: no stay of the training data is
longer, and it bounds the empty bins that one event can make the service step."""


RETURN_MS: Final = DAY_MS
"""Data from after a discharge go on with the stay for so long: discharges are sent by mistake, and
monitors and laboratories outlast them. Later data begin a new stay."""


def observation_begins_stay(silent_bins: Any, time_ms: Any, discharge_ms: Any) -> Any:
    """Whether an observation begins a stay: two weeks of silence, or a day after a discharge.

    Args:
        silent_bins: hour bins between the stay's open bin and the observation.
        time_ms: of the observation.
        discharge_ms: of the stay, ``NEVER`` while it runs.
    """
    is_over = (discharge_ms != NEVER) & (time_ms >= discharge_ms + RETURN_MS)
    return (silent_bins > SILENCE_BINS) | is_over


def observation_returns(time_ms: Any, discharge_ms: Any) -> Any:
    """Whether an observation is from after the discharge, so that the stay goes on."""
    return (discharge_ms != NEVER) & (time_ms > discharge_ms)


def admission_begins_stay(time_ms: int, origin_ms: int, newest_ms: int, discharge_ms: int) -> bool:
    """Whether an admission begins a new stay: later than all events, not before a discharge."""
    return time_ms >= discharge_ms and time_ms > max(newest_ms, origin_ms)


def is_before_admission(bins: Integers, admitted: NDArray[Any]) -> Mask:
    """Whether observations are earlier than a known admission: their bin is negative."""
    before: Mask = (bins < 0) & (admitted == 1)
    return before


def is_too_late(bins: Integers, newest_bin: Integers, time_ms: Integers, past_ms: Integers) -> Mask:
    """Whether observations come too late to be applied exactly.

    Their bin is closed for more than ``LATE_BINS`` hours, or they belong to a past stay.

    Args:
        bins: ``(n,)`` the hour bin of each.
        newest_bin: ``(n,)`` the open bin of its stay when it arrives.
        time_ms: ``(n,)`` event times.
        past_ms: ``(n,)`` until when the stay before lasted.
    """
    of_past_stay = (bins < 0) & (time_ms <= past_ms)
    late: Mask = (bins < newest_bin - LATE_BINS) | of_past_stay
    return late
