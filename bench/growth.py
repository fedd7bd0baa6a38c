"""How the service grows: two on two cores against one, and many stays in one."""

from __future__ import annotations

import contextlib
from itertools import chain
from typing import Final

import numpy as np
from redis import Redis

from bench.comparison import Extent, put_load
from bench.contestants import OURS, BenchEnv, settings_for
from bench.loads import Backlog, Load, hourly
from bench.race import measure
from streamer.adapters.redis.states import RedisStates

_MIB: Final = 2**20
_ROWS_A_STAY: Final = 8
_LONGEST_S: Final = 60.0  # to have all stays in memory the whole backlog must be done


def two_cores(place: BenchEnv, waiting: Backlog, extent: Extent) -> str:
    """Two services, each on a core of its own, against one, in turns."""
    if len(place.cores.measured) < 2:
        return "Two services on two cores: this machine has not enough cores to tell."
    rates: dict[int, list[float]] = {1: [], 2: []}
    for repeat in range(extent.repeats):
        for n, measured in rates.items():
            taken = measure(
                OURS, place, waiting, f"{n}-of-{repeat}-", extent.window_s, n_processes=n
            )
            measured.append(taken.per_second)
    one, two = (float(np.median(measured)) for measured in rates.values())
    return (
        f"Two services on two cores take {two:,.0f} events/s of the {waiting.title}, one takes "
        f"{one:,.0f}: {two / one:.2f} times."
    )


def crowd(place: BenchEnv, extent: Extent) -> str:
    """What many stays take in one worker."""
    rows = _ROWS_A_STAY * extent.crowd_stays
    load = Load("crowd", hourly(rows, extent.crowd_stays), 0.0)
    backlog, prefix = put_load(place, load, "crowd-"), "crowd-one-"
    taken = measure(OURS, place, backlog, prefix, _LONGEST_S)
    settings = settings_for(place, backlog, prefix)
    with contextlib.closing(Redis.from_url(place.stack.redis, socket_timeout=10)) as redis:
        states = RedisStates(redis, f"vigil:{settings.group}", settings.topic_vitals)
        pages = chain.from_iterable(states.pages(p) for p in range(settings.partitions))
        sizes = [len(stay) for page in pages for stay in page.values()]
    return (
        f"{extent.crowd_stays:,} stays in one worker: resident "
        f"{taken.resident_bytes / _MIB:,.0f} MiB, shared pages by share "
        f"{taken.proportional_bytes / _MIB:,.0f} MiB; stored {np.mean(sizes):,.0f} B each."
    )
