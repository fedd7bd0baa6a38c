"""`make bench`: the figures of the README, measured here and now on the real Kafka and Redis."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import readme
from bench.comparison import FULL, QUICK, Extent, backlogs, compare, say, warm_up
from bench.contestants import LIGHT, OURS, SAME, BenchEnv, Contestant, bench_env
from bench.cores import divide
from bench.growth import crowd, two_cores
from bench.latency import latency
from bench.machine import describe
from bench.race import MeasurementFailed
from bench.table import comparison_table, latency_table, stages_line
from streamer.local import LocalStack

_RATES = (500, 1_000)


def main() -> int:
    """Measures, prints Markdown, and writes it to the README if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short: to see that it runs")
    parser.add_argument("--no-peers", action="store_true", help="the service alone")
    parser.add_argument("--write", action="store_true", help="put the figures into the README")
    arguments = parser.parse_args()
    parts = []
    cores = divide()  # before Kafka starts: it inherits them
    with LocalStack() as stack, tempfile.TemporaryDirectory() as folder:
        place = bench_env(stack, Path(folder), cores, peers=not arguments.no_peers)
        contestants = (OURS,) if arguments.no_peers else (OURS, *SAME, *LIGHT)
        for part in measure(place, QUICK if arguments.quick else FULL, contestants):
            print(f"{part}\n", flush=True)
            parts.append(part)
    if arguments.write:
        readme.write("\n\n".join(parts))
    return 0


def measure(place: BenchEnv, extent: Extent, contestants: Sequence[Contestant]) -> Iterator[str]:
    """Takes the measurements one after the other and yields the paragraph that says each."""
    yield f"Machine: {describe()}; {place.cores.describe()}."
    waiting = backlogs(place, extent)
    warm_up(place, waiting[0])
    comparisons = compare(place, waiting, extent, contestants)
    yield comparison_table(comparisons)
    shares = [stages_line(c.title, c.ours.laps[-1]) for c in comparisons if c.ours.laps]
    yield "\n".join(["Where the service's time goes:", "", *shares])
    say("latency")
    taskset = place.cores.taskset(0)
    yield latency_table(
        [
            (
                rate,
                latency(place.stack, place.folder, f"at-{rate}-", rate, extent.latency_s, taskset),
            )
            for rate in _RATES
        ]
    )
    say("two cores against one, many stays in one worker")
    try:
        yield two_cores(place, waiting[0], extent)
        yield crowd(place, extent)
    except MeasurementFailed as error:
        yield f"Not measured: {error}"


if __name__ == "__main__":
    sys.exit(main())
