"""What a site needs: `python -m bench.plan --beds N --hz F`, by costs measured on its own machine.

    python -m bench.plan --beds 1000 --hz 1                  by the costs in bench/costs.json
    python -m bench.plan --beds 1000 --hz 1 --costs FILE     by those of another machine
    python -m bench.plan --measure FILE                      measures the costs, two minutes
    python -m bench.plan --beds 1000 --hz 1 --minutes 5      lives through it here, and compares

`--write` puts the figures into docs/scale.md.
It prints the load, the workers, the bytes, the time of a restore, and what breaks first. Events are
monitor rows; a risk is due for each patient and minute; stays are kept for 15 days after their last
event, those of 3.5 days in intensive care on average.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.plan_costs import Costs, load_costs, measure_costs, write_costs
from bench.plan_run import lived
from streamer.core.expiry import KEPT_DAYS
from streamer.local import LocalStack

SHIPPED_COSTS: Final = Path(__file__).with_name("costs.json")

_RISK_EVERY_S: Final = 60.0
_STAY_DAYS: Final = 3.5  # mean in intensive care
_STATES_S: Final = 600.0
_MARK_S: Final = _STATES_S / 10  # a mark is as old at most as a round, and these
# A worker that is busy for no more catches up twice as fast as events come, and one of two may go.
_UTILISATION: Final = 0.4
_LEAST_WORKERS: Final = 2
_LEAST_PARTITIONS: Final = 24
_STAYS_A_PARTITION: Final = 3_000
_MOST_STAYS_A_PARTITION: Final = 7_000  # 45 MB of one Redis key
_READ_STATES_MB_S: Final = 30.0  # of the topic of states, by one worker
_START_S: Final = 3.0  # of a worker, with its first poll
_RESTORE_TARGET_S: Final = 60.0
_REDIS_MB_S: Final = 100.0  # appended to one file; a server has one
_REDIS_GB: Final = 64.0
_KAFKA_TB: Final = 4.0  # of one broker
_BROKERS: Final = 3
_DAY_S: Final = 86_400.0
_MOST_IN_MEMORY: Final = 20_000  # stays of a worker, as STREAMER_MAX_STAYS has it by default
_SITES: Final = (
    (50, 1 / 60), (50, 1.0), (1_000, 1 / 60), (1_000, 1.0), (10_000, 1.0), (100_000, 1 / 60),
    (100_000, 1.0),
)  # fmt: skip
_PAGE: Final = Path(__file__).parents[1] / "docs" / "scale.md"


@dataclass(frozen=True, slots=True)
class Site:
    """A site: its beds, rows a second and bed, seconds between two saves."""

    beds: int
    hz: float
    save_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What a site needs.

    Attributes:
        events: a second.
        partitions: of each topic.
        workers: processes, each on a core of its own.
        cores: that they keep busy, all together.
        stays: kept in Redis.
        worker_mb: resident memory of a worker.
        redis_gb: memory of Redis.
        redis_mb_s: written to Redis.
        kafka_mb_s: written to Kafka, before replication.
        restore_s: of lost states, at the most.
        limits: by what may break, its load as a share of its bound.
    """

    events: float
    partitions: int
    workers: int
    cores: float
    stays: int
    worker_mb: float
    redis_gb: float
    redis_mb_s: float
    kafka_mb_s: float
    restore_s: float
    limits: dict[str, float]

    @property
    def first_to_break(self) -> str:
        """What has the greatest share of its bound."""
        return max(self.limits, key=lambda name: self.limits[name])

    def kafka_gb(self, days: float) -> float:
        """Gigabytes of so many days in Kafka, before replication."""
        return self.kafka_mb_s * _DAY_S * days / 1000


REMEDIES: Final = {
    "restore of lost states": "more partitions and workers, or a smaller STREAMER_STATES_SECONDS",
    "writes to Redis": "a greater STREAMER_SAVE_SECONDS, then a Redis Cluster",
    "memory of Redis": "a Redis Cluster",
    "Kafka's disks": "compression by the producers, a shorter retention.ms, tiered storage",
    "stays of a partition": "more partitions, from the beginning: none can be added later",
    "workers against partitions": "more partitions, from the beginning: none can be added later",
}


def needs(site: Site, costs: Costs, workers: int | None = None) -> Needs:
    """Computes what a site needs.

    Args:
        site: its beds and rates.
        costs: of a machine.
        workers: their number where it is given; else as many as keep each at ease.
    """
    events = site.beds * site.hz
    risks = site.beds * min(site.hz, 1 / _RISK_EVERY_S)
    saves = site.beds * min(site.hz, 1 / site.save_s if site.save_s else site.hz)
    sent = site.beds * min(site.hz, 1 / _STATES_S)
    stays = round(site.beds * (KEPT_DAYS + _STAY_DAYS) / _STAY_DAYS)
    work = 1e-6 * (events * costs.event_us + risks * costs.risk_us + (saves + sent) * costs.save_us)
    partitions = _LEAST_PARTITIONS
    while stays / partitions > _STAYS_A_PARTITION:
        partitions *= 2
    workers = workers or max(_LEAST_WORKERS, math.ceil(work / _UTILISATION))
    cycles = min(costs.cycles_a_second, events / workers)
    cores = work + workers * (costs.idle_cores + 1e-3 * cycles * costs.cycle_ms)
    redis_gb = stays * costs.redis_bytes / 1e9
    redis_mb_s = saves * costs.stay_bytes / 1e6
    kafka_mb_s = 1e-6 * (
        events * costs.event_bytes + risks * costs.risk_bytes + sent * costs.stay_bytes
    )
    at_once = min(workers, partitions)
    restore_s = (
        _START_S
        + stays * costs.stay_bytes / 1e6 / _READ_STATES_MB_S / at_once
        + events * (_STATES_S + _MARK_S) * costs.event_us * 1e-6 / at_once
    )
    limits = {
        "restore of lost states": restore_s / _RESTORE_TARGET_S,
        "writes to Redis": redis_mb_s / _REDIS_MB_S,
        "memory of Redis": redis_gb / _REDIS_GB,
        "Kafka's disks": kafka_mb_s * _DAY_S * 30 / 1e6 * _BROKERS / (_KAFKA_TB * _BROKERS),
        "stays of a partition": stays / partitions / _MOST_STAYS_A_PARTITION,
        "workers against partitions": workers / partitions,
    }
    in_memory = min(stays / workers, _MOST_IN_MEMORY)
    worker_mb = costs.resident_mb + in_memory * costs.resident_kb_a_stay / 1e3
    return Needs(
        events, partitions, workers, cores, stays, worker_mb, redis_gb, redis_mb_s, kafka_mb_s,
        restore_s, limits,
    )  # fmt: skip


HEADER: Final = (
    "| beds, rate | events/s | partitions | workers (cores; MB each) | Redis: GB, MB/s written "
    "| Kafka: MB/s, 30 days in GB (x replicas) | restore, s | breaks first |\n" + "|---" * 8 + "|"
)


def row(site: Site, need: Needs) -> str:
    """A row of the table."""
    rate = f"{site.hz:g} Hz" if site.hz >= 1 else f"1 in {1 / site.hz:.0f} s"
    first = need.first_to_break
    return (
        f"| {site.beds:,}, {rate} | {need.events:,.1f} | {need.partitions} | {need.workers} "
        f"({need.cores:.2f}; {need.worker_mb:,.0f}) | {need.redis_gb:.3g}, {need.redis_mb_s:.2g} "
        f"| {need.kafka_mb_s:.2g}, {need.kafka_gb(30):,.1f} | {need.restore_s:.0f} "
        f"| {first} ({need.limits[first]:.0%} of its bound) |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a row, or measures."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.plan", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--beds", type=int)
    parser.add_argument("--hz", type=float, default=1.0, help="rows a second and bed")
    parser.add_argument("--save-seconds", type=float, default=10.0)
    parser.add_argument("--costs", type=Path, default=SHIPPED_COSTS)
    parser.add_argument("--measure", type=Path, metavar="FILE", help="measure the costs")
    parser.add_argument("--minutes", type=float, help="live through it for so long")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/scale.md")
    chosen = parser.parse_args(arguments)
    if not (chosen.measure or chosen.beds or chosen.write):
        parser.error("--beds, --measure or --write is needed")
    if chosen.measure:
        with LocalStack() as stack, tempfile.TemporaryDirectory() as folder:
            write_costs(chosen.measure, measure_costs(stack, Path(folder)))
        print(chosen.measure.read_text())
    costs = load_costs(chosen.measure or chosen.costs)
    if chosen.write:
        write_page("table", table(costs))
    if not chosen.beds:
        return 0
    site = Site(chosen.beds, chosen.hz, chosen.save_seconds)
    need = needs(site, costs)
    print(f"By the costs of {costs.machine}:\n\n{HEADER}\n{row(site, need)}\n")
    for name, share in sorted(need.limits.items(), key=lambda limit: -limit[1]):
        print(f"- {name}: {share:.0%} of its bound; {REMEDIES[name]}")
    if site.beds > 100_000:
        print(f"- {site.beds:,} beds are {math.ceil(site.beds / 100_000)} cells (docs/scale.md)")
    if chosen.minutes:
        with LocalStack() as stack, tempfile.TemporaryDirectory() as folder:
            measured = lived(stack, Path(folder), site, need, chosen.minutes)
        print(measured)
        if chosen.write:
            write_page("lived", f"{chosen.beds:,} beds at {chosen.hz:g} Hz, {measured}")
    return 0


def table(costs: Costs) -> str:
    """The table of `docs/scale.md`."""
    rows = [row(site, needs(site, costs)) for site in (Site(*each) for each in _SITES)]
    return "\n".join([f"By the costs of {costs.machine}:", "", HEADER, *rows])


def write_page(part: str, content: str, page: Path = _PAGE) -> None:
    """Replaces a part of the page, which lies between two comments."""
    begin, end = f"<!-- {part} -->\n", f"<!-- /{part} -->"
    text = page.read_text()
    before, _, rest = text.partition(begin)
    page.write_text(f"{before}{begin}{content}\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    sys.exit(main())
