"""`make bench`: the figures of the README, measured here and now on the real Kafka and Redis."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.catchup import CatchUp, catch_up, hourly
from bench.latency import latency
from bench.machine import describe
from streamer.local import LocalStack
from streamer.sim.scenario import Scenario, Wire
from streamer.sim.ward import ward


def main() -> None:
    """Measures and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=150_000, help="of each backlog")
    parser.add_argument("--rate", type=int, default=500, help="events a second, for latency")
    parser.add_argument("--seconds", type=float, default=30, help="of the latency run")
    arguments = parser.parse_args()
    print(f"Machine: {describe()}\n")
    with LocalStack() as stack, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("| backlog, one service on one core | events/s | stays | stored | resident |")
        print("|---|---|---|---|---|", flush=True)
        hourly_feed = hourly(arguments.events, stays=2_000)
        runs = [("hourly rows, a risk for each", hourly_feed, 60.0, "hourly-")]
        beds = 200
        hours = arguments.events / beds / 3600
        scenario = Scenario(
            beds=beds,
            hours=hours,
            vitals_every_s=1.0,
            fill_hours=0.0,
            start_ms=int((time.time() - 2 * 3600) * 1000),
            wire=Wire.off(),
        )
        runs.append(("1 Hz ward, a risk a minute", ward(scenario), 60.0, "ward-"))
        spent = []
        for what, feed, interval_s, prefix in runs:
            result = catch_up(stack, feed, folder, prefix, interval_s)
            spent.append((what, result))
            print(
                f"| {what} | {result.events_per_second:,.0f} | {result.stays:,} | "
                f"{result.stored_bytes:,.0f} B | {result.resident_bytes / 2**20:,.0f} MiB |",
                flush=True,
            )
        print("\nWhere the time goes:\n")
        for what, result in spent:
            print(f"- {what}: {_shares(result)}")
        took = latency(stack, folder, "latency-", arguments.rate, arguments.seconds)
    print(f"\n| at {arguments.rate} events/s, all evaluated | p50 | p99 | n |")
    print("|---|---|---|---|")
    for what, times in (("event to risk", took.risk_ms), ("event to alert", took.alert_ms)):
        if len(times):
            p50, p99 = np.percentile(times, [50, 99])
            print(f"| {what} | {p50:.0f} ms | {p99:.0f} ms | {len(times):,} |")
        else:
            print(f"| {what} | - | - | 0 |")


def _shares(result: CatchUp) -> str:
    named = sorted(result.stages.items(), key=lambda stage: -stage[1])
    shares = [f"{stage} {seconds / result.seconds:.0%}" for stage, seconds in named]
    rest = 1 - sum(result.stages.values()) / result.seconds
    return ", ".join([*shares, f"reading and the rest {max(0.0, rest):.0%}"])


if __name__ == "__main__":
    main()
