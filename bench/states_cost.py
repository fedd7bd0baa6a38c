"""Cost of the topic of states for a ward at 1 Hz: the same log with it and without, in turns.

    python -m bench.states_cost

One service works off the log. A round is as long as it takes for it, so each stay goes out as often
as at a ward that lives through the same hour: once in ``--seconds`` of the log's own time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.comparison import put_load
from bench.cores import divide
from bench.engines import OURS, Engine, prepare_env
from bench.loads import Load, one_hertz
from bench.machine import describe
from bench.measurement import measure
from streamer.local import LocalStack

_WINDOW_S: Final = 120.0  # more than a log takes


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the rates of each turn, and the difference."""
    parser = argparse.ArgumentParser(prog="python -m bench.states_cost", description=__doc__)
    parser.add_argument("--beds", type=int, default=2_000)
    parser.add_argument("--seconds", type=int, default=600, help="of the log, a round of the topic")
    parser.add_argument("--turns", type=int, default=3)
    chosen = parser.parse_args(arguments)
    cores = divide()
    print(f"Machine: {describe()}; {cores.describe()}.")
    with LocalStack() as stack, tempfile.TemporaryDirectory() as folder:
        env = prepare_env(stack, Path(folder), cores, peers=False)
        load = Load("1 Hz ward", one_hertz(chosen.beds * chosen.seconds, chosen.beds), 60.0)
        backlog = put_load(env, load, "cost-")
        first = measure(_with(0), env, backlog, "cost-first-", _WINDOW_S)
        round_s = chosen.seconds * chosen.beds / first.per_second
        rates: dict[float, list[float]] = {0: [], round_s: []}
        for turn in range(chosen.turns):
            for states_s, per_cpu_second in rates.items():
                name = f"cost-{'on' if states_s else 'off'}-{turn}-"
                taken = measure(_with(states_s), env, backlog, name, _WINDOW_S)
                per_cpu_second.append(taken.per_cpu_second)
    without, with_topic = (float(np.median(measured)) for measured in rates.values())
    print(
        f"{chosen.beds} beds at 1 Hz, {chosen.seconds} s of log in {round_s:.0f} s, "
        f"{chosen.turns} turns: {without:,.0f} events per CPU second without the topic of states, "
        f"{with_topic:,.0f} with it ({1e6 / with_topic - 1e6 / without:+.2f} us an event, "
        f"{(without / with_topic - 1) * 100:+.1f} %)."
    )
    for name, measured in (("without", rates[0]), ("with it", rates[round_s])):
        print(f"- {name}: {', '.join(f'{rate:,.0f}' for rate in measured)}")
    return 0


def _with(states_s: float) -> Engine:
    """The service with a round of so many seconds, 0 without the topic."""
    return replace(OURS, variables=(("STREAMER_STATES_SECONDS", str(states_s)),))


if __name__ == "__main__":
    sys.exit(main())
