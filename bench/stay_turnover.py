"""Memory of a worker while a million stays come and go: it follows the beds, not the years.

    python -m bench.stay_turnover --stays 1000000

Every stay has one admission, two hourly observations and, two times out of three, a discharge; the
others are abandoned. The sizes of the table and of the process are printed as it goes.
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
from streamer.core.stays import StayTable
from streamer.core.time import HOUR_MS

_START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_ROWS = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line for each tenth of the stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stays", type=int, default=1_000_000, help="send so many stays")
    parser.add_argument("--per-hour", type=int, default=50, help="admit so many an hour of the log")
    options = parser.parse_args(arguments)
    model = build(bundle.load(bundle.SHIPPED))
    scorer = Scorer(model, StayTable(model.architecture), interval_ms=60_000)
    console, table = Console(), Table(title=f"{options.stays:,} stays on {describe()}")
    for name in ("stays so far", "in the table", "table MB", "resident MB", "expired", "seconds"):
        table.add_column(name, justify="right")
    begun, n_expired, n_hours = time.monotonic(), 0, options.stays // options.per_hour
    for hour in track(range(n_hours), "hours of the log", console=console):
        batch = list(_hour(hour, options.per_hour))
        columns = decode(batch, None)
        scorer.score(columns, [0] * len(columns.patients))
        scorer.table.touched[:] = False  # saved
        n_expired += len(scorer.table.gone.pop(0, ()))
        if (hour + 1) % max(1, n_hours // _ROWS) == 0:
            table.add_row(
                f"{(hour + 1) * options.per_hour:,}",
                f"{len(scorer.table):,}",
                f"{scorer.table.nbytes / 1e6:,.0f}",
                f"{psutil.Process().memory_info().rss / 1e6:,.0f}",
                f"{n_expired:,}",
                f"{time.monotonic() - begun:,.0f}",
            )
    console.print(table)
    console.print(
        f"In {KEPT_DAYS} days {KEPT_DAYS * 24 * options.per_hour:,} stays are admitted; only "
        "these and those of the current day are held."
    )


def _hour(hour: int, per_hour: int) -> Iterator[Record]:
    """One hour of the log: admissions, and the last events of stays of the hour before."""
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
