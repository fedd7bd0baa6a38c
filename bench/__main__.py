"""`make bench`: the figures of the README, measured here and now on the real Kafka and Redis."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench import readme
from bench.comparison import FULL, QUICK, Extent, backlogs, compare, log_progress, warm_up
from bench.cores import divide
from bench.engines import LIGHT, OURS, SAME, BenchEnv, Engine, earlier, prepare_env
from bench.growth import beds_table, many_stays, two_cores
from bench.latency import latencies
from bench.limits import limits_table
from bench.machine import describe
from bench.measurement import MeasurementFailed
from bench.rebuild import state_only
from bench.table import comparison_table, latency_table, stages_line
from streamer.local import LocalStack

_RATES = (500, 1_000)


def main() -> int:
    """Measures, prints Markdown, and writes it to the README if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="measure for three minutes instead of ten, to see that it runs",
    )
    parser.add_argument("--no-peers", action="store_true", help="measure the service alone")
    parser.add_argument(
        "--against", metavar="REVISION", help="measure the service of this commit, too, in turns"
    )
    parser.add_argument("--write", action="store_true", help="write the figures into the README")
    arguments = parser.parse_args()
    parts = []
    cores = divide()  # before Kafka starts: it inherits them
    with LocalStack() as stack, tempfile.TemporaryDirectory() as folder:
        env = prepare_env(stack, Path(folder), cores, peers=not arguments.no_peers)
        before = (earlier(arguments.against, Path(folder)),) if arguments.against else ()
        engines = (OURS, *before) if arguments.no_peers else (OURS, *before, *SAME, *LIGHT)
        for part in measure(env, QUICK if arguments.quick else FULL, engines):
            print(f"{part}\n", flush=True)
            parts.append(part)
    if arguments.write:
        readme.write("\n\n".join(parts))
    return 0


def measure(env: BenchEnv, extent: Extent, engines: Sequence[Engine]) -> Iterator[str]:
    """Takes the measurements one after the other; yields a paragraph of Markdown for each."""
    yield f"Machine: {describe()}; {env.cores.describe()}."
    loads = backlogs(env, extent)
    warm_up(env, loads[0])
    comparisons = compare(env, loads, extent, engines)
    yield comparison_table(comparisons)
    shares = [
        stages_line(c.title, c.ours.measurements[-1]) for c in comparisons if c.ours.measurements
    ]
    yield "\n".join(["Where the service's time goes:", "", *shares])
    log_progress("limits")
    yield limits_table(env.stack, comparisons, loads)
    log_progress("latency")
    services = [engine for engine in engines if engine.is_service]
    yield latency_table(
        [
            (rate, service.name, taken)
            for rate in _RATES
            for service, taken in zip(
                services, latencies(env, services, rate, extent.latency_s), strict=True
            )
        ]
    )
    log_progress("two cores against one, states without messages, many stays, many beds")
    yield _unless_failed(lambda: two_cores(env, loads[0], extent))
    yield _unless_failed(lambda: state_only(env, loads[-1]))
    for n_stays in extent.memory_stays:
        yield _unless_failed(partial(many_stays, env, n_stays))
    yield _unless_failed(lambda: beds_table(env, extent.beds_events, extent.beds))


def _unless_failed(measurement: Callable[[], str]) -> str:
    """One figure that cannot be taken leaves the others."""
    try:
        return measurement()
    except MeasurementFailed as error:
        return f"Not measured: {error}"


if __name__ == "__main__":
    sys.exit(main())
