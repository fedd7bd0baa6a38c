"""A comparison of tiny families on a synthetic cohort, and its table."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from streamer.bundles.bundle import Bundle
from tests.support.synthetic_cohort import QUICK
from tests.support.tiny_families import GOOD, RIVALS
from trainer.compare.families import Entrants
from trainer.compare.report.findings import Findings
from trainer.compare.run import Options, compare
from trainer.progress import Reporter

QUIET = Reporter(Console(quiet=True))
RECIPE = replace(QUICK, reading_epochs=1, epochs=1, forecast_epochs=0)
AVERAGE = f"average of final LSTM and {GOOD.name}"


@dataclass(frozen=True)
class Compared:
    findings: Findings
    out: Path


def compare_tiny(
    data: Path, out: Path, bundle: Bundle, entrants: Entrants = RIVALS, *only: str
) -> Findings:
    return compare([data], out, bundle, entrants, Options(only, 20), reporter=QUIET)


def csv_rows(out: Path) -> dict[str, dict[str, str]]:
    """The lines of the table about models, by name."""
    with (out / "comparison.csv").open(newline="") as text:
        table = list(csv.DictReader(text))
    return {row["name"]: row for row in table if row["block"] not in ("transfer", "subgroup")}
