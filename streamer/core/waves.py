"""Cuts a run of observations into waves, so that many stays can be stepped at once.

A wave holds, for each stay, the events up to and including the next one at which its state must be
looked at: an evaluation point, or an event that opens a new bin. Waves of different stays run side
by side; waves of one stay run one after the other, so its events act in the order of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core import stay_rules
from streamer.core.stays import Slots, StayTable
from streamer.core.timeline import bin_of

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

_GROUP: Final = 1 << 45  # a thousand years in milliseconds: no stay overtakes the next in a sum
_NOTHING: Final = -(1 << 44)


@dataclass(frozen=True, slots=True)
class Plan:
    """What each of ``n`` observations of a run does; sorted by stay, then by arrival.

    Attributes:
        wave: ``(n,)`` the wave of each event.
        bins: ``(n,)`` its hour bin.
        opens: it opens a new bin (or the stay's first).
        evaluates: it is an evaluation point.
        too_late: its bin is closed for more than 48 h, or it is of a past stay.
        before_admission: it is from before a known admission.
        cut: it and what follows in its stay belong to a new stay, and are not in this run.
    """

    wave: Integers
    bins: Integers
    opens: Mask
    evaluates: Mask
    too_late: Mask
    before_admission: Mask
    cut: Mask


def plan(table: StayTable, slots: Slots, time_ms: Integers, interval_ms: int) -> Plan:
    """Plans a run of observations.

    Args:
        table: the stays as they are before the run.
        slots: ``(n,)`` the stay of each event; equal slots stand together, in order of arrival.
        time_ms: ``(n,)`` event times.
        interval_ms: evaluation interval; 0 makes every event an evaluation point.
    """
    group = np.cumsum(np.diff(slots, prepend=slots[:1]) != 0)
    origin = np.maximum(table["origin_ms"][slots], _NOTHING)  # no origin yet: any event is far off
    bins = bin_of(time_ms, origin)
    before_admission = stay_rules.is_before_admission(bins, table["admitted"][slots])

    # int64 first: `where` would wrap the Python integer silently to the int32 of the bins
    open_bin = np.where(
        table["started"][slots] == 1, table["open_bin"][slots].astype(np.int64), _NOTHING
    )
    previous = _running_max_before(np.where(before_admission, _NOTHING, bins), open_bin, group)
    too_late = (
        stay_rules.is_too_late(bins, previous, time_ms, table["past_ms"][slots]) & ~before_admission
    )
    known = np.where(previous > _NOTHING, previous, 0)
    new_stay = stay_rules.observation_begins_stay(
        bins - known, time_ms, table["discharge_ms"][slots]
    )
    cut = _sum_within(new_stay, group) > 0
    too_late &= ~cut
    before_admission &= ~cut
    valid = ~(cut | too_late | before_admission)
    opens = valid & (bins > previous)

    if interval_ms == 0:
        evaluates = valid.copy()
    else:
        interval = (time_ms - origin) // interval_ms * interval_ms
        seen = np.maximum(table["interval"][slots], _NOTHING)
        evaluates = valid & (
            interval > _running_max_before(np.where(valid, interval, _NOTHING), seen, group)
        )
    ends = (opens | evaluates).astype(np.int64)
    wave = _sum_within(ends, group) - ends
    return Plan(wave, bins, opens, evaluates, too_late, before_admission, cut)


def _running_max_before(values: Integers, initial: Integers, group: Integers) -> Integers:
    """The maximum of ``initial`` and of the values before each one, within its group."""
    if not len(values):
        return values
    lifted = np.maximum.accumulate(np.maximum(values, initial) + group * _GROUP) - group * _GROUP
    before = np.empty_like(lifted)
    before[1:] = lifted[:-1]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    before[first] = initial[first]
    return before


def _sum_within(values: NDArray[np.bool_] | Integers, group: Integers) -> Integers:
    """The sum of the values up to and including each one, within its group."""
    total = np.cumsum(values, dtype=np.int64)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    before = np.where(first > 0, total[first - 1], 0)
    counts = np.diff(np.append(first, len(values)))
    within: Integers = total - np.repeat(before, counts)
    return within
