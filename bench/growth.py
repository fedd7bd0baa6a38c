"""How the service grows: two on two cores against one, and many stays in one."""

from __future__ import annotations

import numpy as np

from bench.comparison import Extent, put_load
from bench.contestants import OURS, Garage
from bench.loads import Backlog, Load, hourly
from bench.race import lap

_MIB = 2**20
_ROWS_A_STAY = 8
_LONGEST_S = 60.0  # to have all stays in memory the whole backlog must be done


def two_cores(place: Garage, waiting: Backlog, extent: Extent) -> str:
    """Two services, each on a core of its own, against one, in turns."""
    if len(place.cores.measured) < 2:
        return "Two services on two cores: this machine has not enough cores to tell."
    rates: dict[int, list[float]] = {1: [], 2: []}
    for repeat in range(extent.repeats):
        for n, measured in rates.items():
            taken = lap(OURS, place, waiting, f"{n}-of-{repeat}-", extent.window_s, n_processes=n)
            measured.append(taken.per_second)
    one, two = (float(np.median(measured)) for measured in rates.values())
    return (
        f"Two services on two cores take {two:,.0f} events/s of the {waiting.title}, one takes "
        f"{one:,.0f}: {two / one:.2f} times."
    )


def crowd(place: Garage, extent: Extent) -> str:
    """What many stays take in one worker."""
    rows = _ROWS_A_STAY * extent.crowd_stays
    load = Load("crowd", hourly(rows, extent.crowd_stays), 0.0)
    taken = lap(OURS, place, put_load(place, load, "crowd-"), "crowd-one-", _LONGEST_S)
    return (
        f"{extent.crowd_stays:,} stays in one worker: resident "
        f"{taken.resident_bytes / _MIB:,.0f} MiB, shared pages by share "
        f"{taken.proportional_bytes / _MIB:,.0f} MiB."
    )
