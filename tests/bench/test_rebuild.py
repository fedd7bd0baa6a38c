"""Limits and states alone are measured on the real servers, by a load of some hundred events."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.comparison import put_load
from bench.cores import Cores
from bench.engines import BenchEnv
from bench.limits import poll_all
from bench.loads import Load, hourly
from bench.rebuild import state_only
from streamer.local import LocalStack

N_EVENTS = 9_000  # more than a batch of the service takes, so that there is something to time


def test_states_come_back_and_the_limits_are_those_of_all_events(
    stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    env = BenchEnv(stack, tmp_path, Cores((), ()), Path(sys.executable), {})
    backlog = put_load(env, Load("hourly", hourly(N_EVENTS, 30), 0.0), topic_prefix)
    cost_us, values = poll_all(stack, backlog)
    assert len(values) == N_EVENTS
    assert cost_us > 0
    line = state_only(env, backlog)
    rate = float(line.partition(": ")[2].split()[0].replace(",", ""))
    assert rate > 0
