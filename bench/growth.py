"""Growth of the service: two on two cores against one, more and more beds, memory of many stays.

    python -m bench.growth --beds 100 1000 10000 20000

measures the beds alone, two minutes for the largest.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from redis import Redis

from bench.comparison import FULL, Extent, put_load
from bench.cores import divide
from bench.engines import OURS, BenchEnv, prepare_env, settings_for
from bench.loads import Backlog, Load, even_rows, hourly
from bench.machine import describe
from bench.measurement import measure
from streamer.adapters.redis.states import RedisStates
from streamer.local import LocalStack

_MIB: Final = 2**20
_ROWS_A_STAY: Final = 32
_LEAST_ROWS: Final = 300_000  # the service saves changed states every ten seconds
_LONGEST_S: Final = 60.0  # all stays are in memory only when the whole backlog is done
# Of the log of each bed: a risk is due for each once a minute, so all of them are at work by then.
_BED_S: Final = 120


def two_cores(env: BenchEnv, backlog: Backlog, extent: Extent) -> str:
    """Measures two services, each on a core of its own, against one, in turns."""
    if len(env.cores.measured) < 2:
        return "Two services on two cores: this machine has not enough cores to tell."
    rates: dict[int, list[float]] = {1: [], 2: []}
    for repeat in range(extent.repeats):
        for n, per_second in rates.items():
            taken = measure(OURS, env, backlog, f"{n}-of-{repeat}-", extent.window_s, n_processes=n)
            per_second.append(taken.per_second)
    one, two = (float(np.median(per_second)) for per_second in rates.values())
    return (
        f"Two services on two cores take {two:,.0f} events/s of the {backlog.title}, one takes "
        f"{one:,.0f}: {two / one:.2f} times."
    )


def beds_table(env: BenchEnv, n_events: int, beds: Sequence[int]) -> str:
    """Measures the 1 Hz ward with more and more beds in one worker: does an event cost the same?"""
    lines = ["| beds at 1 Hz in one worker | events per CPU second | resident |", "|---" * 3 + "|"]
    for n_beds in beds:
        load = Load("ward", even_rows(max(n_events, _BED_S * n_beds), n_beds), 60.0)
        backlog = put_load(env, load, f"beds-{n_beds}-")
        taken = measure(OURS, env, backlog, f"beds-{n_beds}-one-", _LONGEST_S)
        lines.append(
            f"| {n_beds:,} | {taken.per_cpu_second:,.0f} | {taken.resident_bytes / _MIB:,.0f} MiB |"
        )
    return "\n".join(lines)


def many_stays(env: BenchEnv, n_stays: int) -> str:
    """Measures the memory and storage of many stays in one worker."""
    load = Load("crowd", hourly(max(_ROWS_A_STAY * n_stays, _LEAST_ROWS), n_stays), 0.0)
    backlog, prefix = put_load(env, load, f"crowd-{n_stays}-"), f"crowd-{n_stays}-one-"
    taken = measure(OURS, env, backlog, prefix, _LONGEST_S)
    settings = settings_for(env, backlog, prefix)
    with contextlib.closing(Redis.from_url(env.stack.redis, socket_timeout=10)) as redis:
        states = RedisStates(redis, f"vigil:{settings.group}", settings.topic_vitals)
        pages = chain.from_iterable(states.pages(p) for p in range(settings.partitions))
        sizes = [len(stay) for page in pages for stay in page.values()]
    return (
        f"{n_stays:,} stays in one worker: resident "
        f"{taken.resident_bytes / _MIB:,.0f} MiB, shared pages by share "
        f"{taken.proportional_bytes / _MIB:,.0f} MiB; stored {np.mean(sizes):,.0f} B each."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table of beds."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--beds", type=int, nargs="+", default=FULL.beds)
    beds: Sequence[int] = parser.parse_args(arguments).beds
    cores = divide()
    print(f"Machine: {describe()}; {cores.describe()}.\n", flush=True)
    with LocalStack() as stack, tempfile.TemporaryDirectory() as folder:
        env = prepare_env(stack, Path(folder), cores, peers=False)
        print(beds_table(env, FULL.beds_events, beds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
