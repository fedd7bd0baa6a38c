"""Waves of observations: those of many stays that are stepped at once.

A wave holds, for each stay, the events up to and including the next one at which its state must be
looked at: an evaluation point, an event that may be one, or one that opens a new bin. Waves of
different stays run side by side; waves of one stay run one after the other, so its events act in
the order of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core import stay_rules
from streamer.core.stays import NEVER, Slots, StayTable
from streamer.core.timeline import bin_of

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

GROUP_MS: Final = 1 << 45  # a thousand years in milliseconds: no stay overtakes the next in a sum
_NOTHING: Final = -(1 << 44)


@dataclass(frozen=True, slots=True)
class Plan:
    """What each of ``n`` observations of a run does; sorted by stay, then by arrival.

    Attributes:
        wave: ``(n,)`` the wave of each event.
        bins: ``(n,)`` its hour bin.
        opens: it opens a new bin (or the stay's first).
        evaluates: it is an evaluation point: the first of a new interval.
        may_evaluate: it may be one, see `scoring`: it is of an interval that is past, because it is
            late or an event before it was ahead.
        too_late: its bin is closed for more than 48 h, or it is of a past stay.
        before_admission: it is from before a known admission.
        cut: it and what follows in its stay are not in this run: it begins a stay, takes a
            discharge back, or comes when a discharge or an admission is due.
    """

    wave: Integers
    bins: Integers
    opens: Mask
    evaluates: Mask
    may_evaluate: Mask
    too_late: Mask
    before_admission: Mask
    cut: Mask


@dataclass(frozen=True, slots=True)
class Run:
    """``n`` observations of a run, an array ``(n,)`` each.

    Attributes:
        slots: the stay of each; equal slots stand together, in order of arrival.
        time_ms: event times.
        clock_ms: timestamps of the records.
        matters: whether it holds a laboratory value or a correction, which nobody waits with.
    """

    slots: Slots
    time_ms: Integers
    clock_ms: Integers
    matters: Mask


def plan(table: StayTable, run: Run, interval_ms: int | None) -> Plan:
    """Plans a run of observations.

    Args:
        table: the stays as they are before the run.
        run: the observations.
        interval_ms: evaluation interval; 0 makes every event an evaluation point, ``None`` none.
    """
    slots, time_ms = run.slots, run.time_ms
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
    cut = _sum_within(turns(table, run, bins - known), group) > 0
    too_late &= ~cut
    before_admission &= ~cut
    valid = ~(cut | too_late | before_admission)
    opens = valid & (bins > previous)

    may_evaluate = np.zeros(len(slots), np.bool_)
    if interval_ms is None:
        evaluates = np.zeros(len(slots), np.bool_)
    elif interval_ms == 0:
        evaluates = valid.copy()
    else:
        interval = (time_ms - origin) // interval_ms * interval_ms
        seen = np.maximum(table["interval"][slots], _NOTHING)
        newest = _running_max_before(np.where(valid, interval, _NOTHING), seen, group)
        evaluates = valid & (interval > newest)
        is_late = valid & (bins < previous)
        is_behind = valid & (interval < newest)
        may_evaluate = (is_late & run.matters) | (is_behind & _may_be_due(table, run, interval_ms))
    ends = (opens | evaluates | may_evaluate).astype(np.int64)
    # One that may be is alone in its wave: whether it changes something hangs on what came before.
    wave = _sum_within(ends, group) - ends + _sum_within(may_evaluate, group)
    return Plan(wave, bins, opens, evaluates, may_evaluate, too_late, before_admission, cut)


def turns(table: StayTable, run: Run, silent_bins: Integers) -> Mask:
    """Which observations change more than values: `stay_lifecycle` takes them one by one.

    Args:
        table: the stays.
        run: the observations.
        silent_bins: ``(n,)`` hour bins between the newest one of the stay and each.
    """
    slots, time_ms = run.slots, run.time_ms
    discharge_ms = table["discharge_ms"][slots]
    turning: Mask = stay_rules.observation_begins_stay(silent_bins, time_ms, discharge_ms)
    turning |= stay_rules.observation_returns(time_ms, discharge_ms)
    turning |= is_due(table, slots, time_ms, run.clock_ms)
    return turning


def is_due(table: StayTable, slots: Slots, time_ms: Integers, clock_ms: Integers) -> Mask:
    """Whether a discharge or an admission that was ahead has come when each event comes."""
    now_ms = np.maximum(time_ms, clock_ms)
    due = np.zeros(len(slots), np.bool_)
    for name in ("discharge_due_ms", "admission_due_ms"):
        due_ms = table[name][slots]
        due |= (due_ms != NEVER) & (now_ms >= due_ms)
    return due


def _may_be_due(table: StayTable, run: Run, interval_ms: int) -> Mask:
    """Whether the last evaluation may be an interval of log time away when each event comes.

    More than those that are: it asks for the last evaluation before the run, or within it.
    """
    if len(run.clock_ms) and np.ptp(run.clock_ms) >= interval_ms:
        return np.ones(len(run.clock_ms), np.bool_)
    return is_away(table["evaluated_ms"][run.slots], run.clock_ms, interval_ms)


def is_away(evaluated_ms: Integers, clock_ms: Integers, interval_ms: int) -> Mask:
    """Whether an evaluation is an interval of log time away: clocks of senders may go back."""
    away: Mask = (evaluated_ms == NEVER) | (
        np.abs(clock_ms - np.where(evaluated_ms == NEVER, 0, evaluated_ms)) >= interval_ms
    )
    return away


def _running_max_before(values: Integers, initial: Integers, group: Integers) -> Integers:
    """The maximum of ``initial`` and of the values before each one, within its group."""
    if not len(values):
        return values
    lifted = (
        np.maximum.accumulate(np.maximum(values, initial) + group * GROUP_MS) - group * GROUP_MS
    )
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
