"""A million stays come and go: the memory of a worker follows the beds, not the years.

    python -m bench.turnover --stays 1000000

Every stay has one admission, two hourly observations and, two times out of three, a discharge; the
others are abandoned. What the table holds and what the process has resident is printed as it goes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

import orjson
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.machine import describe
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core.columns import decode
from streamer.core.expiry import KEPT_DAYS
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import HOUR_MS, StayTable

_START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_ROWS = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line for each tenth of the stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stays", type=int, default=1_000_000)
    parser.add_argument("--per-hour", type=int, default=50, help="admissions in an hour of the log")
    told = parser.parse_args(arguments)
    model = build(bundle.load(bundle.SHIPPED))
    scorer = Scorer(model, StayTable(model.architecture), interval_ms=60_000)
    console, table = Console(), Table(title=f"{told.stays:,} stays on {describe()}")
    for name in ("stays so far", "in the table", "table MB", "resident MB", "let go", "seconds"):
        table.add_column(name, justify="right")
    begun, expire, n_hours = time.monotonic(), 0, told.stays // told.per_hour
    for hour in track(range(n_hours), "hours of the log", console=console):
        batch = list(_hour(hour, told.per_hour))
        columns = decode(batch, None)
        scorer.score(columns, [0] * len(columns.patients))
        scorer.table.touched[:] = False  # saved
        expire += len(scorer.table.gone.pop(0, ()))
        if (hour + 1) % max(1, n_hours // _ROWS) == 0:
            table.add_row(
                f"{(hour + 1) * told.per_hour:,}",
                f"{len(scorer.table):,}",
                f"{scorer.table.nbytes / 1e6:,.0f}",
                f"{psutil.Process().memory_info().rss / 1e6:,.0f}",
                f"{expire:,}",
                f"{time.monotonic() - begun:,.0f}",
            )
    console.print(table)
    console.print(
        f"In {KEPT_DAYS} days {KEPT_DAYS * 24 * told.per_hour:,} stays are admitted; no more than "
        "these and those of the day that runs are held."
    )


def _hour(hour: int, per_hour: int) -> Iterator[Record]:
    """One hour of the log: admissions, and what the stays of the hour before still say."""
    events: list[dict[str, object]] = []
    for i in range(per_hour):
        events += _events(hour, f"{hour}-{i}", "admission", "observation")
        if hour:
            ends = ("observation", "discharge") if i % 3 else ("observation",)
            events += _events(hour, f"{hour - 1}-{i}", *ends)
    for offset, event in enumerate(events):
        patient = str(event["patient_id"]).encode()
        yield Record(0, offset, _START_MS + hour * HOUR_MS, patient, orjson.dumps(event))


def _events(hour: int, patient: str, *types: str) -> Iterator[dict[str, object]]:
    for minute, type_ in enumerate(types):
        time_ms = _START_MS + hour * HOUR_MS + minute * 60_000
        event: dict[str, object] = {"type": type_, "patient_id": patient, "time": time_ms}
        yield event | ({"values": {"heart_rate": 88, "map": 70}} if type_ == "observation" else {})


if __name__ == "__main__":
    main()
