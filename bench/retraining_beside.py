"""Retraining beside a working service: what each costs the other.

The child of a run (`trainer run`: candidates made and compared, on half of the cores) is timed
alone, then beside a service that gets events at a steady rate and a second one, the simulated ward
of `streamer simulate`, on the same machine. The service's latency from event to risk is measured
without the child and beside it.

    python -m bench.retraining_beside --data FILE --stays 600

The child must take at most twice its time alone, and the 99th percentile must stay below a second.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

import numpy as np

from bench.cores import Cores
from bench.engines import OURS, BenchEnv
from bench.latency import Latency, latency
from bench.machine import describe
from bench.services import ServiceProcess, environment, running
from streamer.bundles.bundle import SHIPPED
from streamer.local import LocalStack
from streamer.process.terminal import say
from trainer.archive.export import export
from trainer.data.cohort import load_cohort
from trainer.loop.child import Order, Priority, Report
from trainer.loop.child_process import Limits, default_threads, run_child
from trainer.loop.record import Source

MOST_TIMES: Final = 2.0
MOST_P99_MS: Final = 1_000.0
_SERVICE_S: Final = 25.0
_MOST_S: Final = 90.0  # that `latency` can send without a patient's time passing the present


def main(arguments: Sequence[str]) -> int:
    """Prints three lines; 1 where a bound is not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.retraining_beside", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="stays as PhysioNet 2019 has them")
    parser.add_argument("--stays", type=int, default=600)
    parser.add_argument("--rate", type=int, default=200, help="events a second")
    parser.add_argument("--priority", choices=get_args(Priority), default="leftover")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vigil-beside-") as name:
        folder = Path(name)
        cohort = load_cohort([options.data])
        export(cohort.take(np.arange(min(options.stays, len(cohort)))), folder / "stays.parquet")
        order = Order(
            sources=[Source(name=str(folder / "stays.parquet"))],
            champion=str(SHIPPED),
            threads=default_threads(),
            least_septic_recalibrate=1,
            least_septic_fit=1,
            priority=options.priority,
        )
        alone_s = _seconds(order, folder / "alone")
        say(
            f"{describe()}; {options.stays} stays, {order.threads} threads of the child "
            f"({order.priority}), {options.rate} events/s and a ward of 20 beds at 60 times its "
            "pace"
        )
        with LocalStack() as stack:
            cores = Cores((), ())
            env = BenchEnv(stack, folder, cores, Path(sys.executable), {})
            ward = ServiceProcess(
                environment(stack, "ward-"),
                folder / "ward.log",
                command=[sys.executable, "-m", "streamer", "simulate", "--beds=20", "--speed=60"],
            )
            second = ServiceProcess(environment(stack, "ward-"), folder / "second.log")
            with running([ward, second]):
                before = latency(env, OURS, "before-", options.rate, _SERVICE_S)
                took = list[float]()
                child = threading.Thread(
                    target=lambda: took.append(_seconds(order, folder / "beside"))
                )
                child.start()
                beside = latency(env, OURS, "beside-", options.rate, min(_MOST_S, 1.5 * alone_s))
                child.join()
    times, p99 = took[0] / alone_s, float(np.percentile(beside.risk_ms, 99))
    say(f"child: {alone_s:.0f} s alone, {took[0]:.0f} s beside the services, {times:.2f} times")
    say(f"event to risk without the child: {_shown(before)}; beside it: {_shown(beside)}")
    return 0 if times <= MOST_TIMES and p99 <= MOST_P99_MS else 1


def _seconds(order: Order, folder: Path) -> float:
    """Seconds of one run of the child.

    Raises:
        RuntimeError: it left no report.
    """
    folder.mkdir()
    began = time.monotonic()
    end = run_child(order, folder, None, threading.Event(), Limits())
    if not isinstance(end, Report):
        raise RuntimeError(end.why)
    return time.monotonic() - began


def _shown(measured: Latency) -> str:
    p50, p99 = np.percentile(measured.risk_ms, (50, 99))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(measured.risk_ms):,} events)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
