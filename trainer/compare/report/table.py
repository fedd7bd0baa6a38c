"""The comparison as a table for programs: a row for each model, hospital and group."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from trainer.compare.protocol.intervals import COMPARED, Standing
from trainer.compare.protocol.results import Entry
from trainer.compare.report.findings import Findings
from trainer.compare.report.page import settings_of
from trainer.metrics.measures import METRICS

FILE: Final = "comparison.csv"

_COLUMNS: Final = (
    "block",
    "name",
    "trained_on",
    "judged_on",
    "calibrated_on",
    "n_patients",
    "n_septic",
    *(f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")),
    *(f"{name}_difference{end}" for name in COMPARED for end in ("", "_low", "_high", "_verdict")),
    "settings",
    "fit_seconds",
    "microseconds_per_hour",
    "state_bytes",
    "outcome",
)


def write(found: Findings, folder: Path) -> Path:
    """Writes ``comparison.csv``; what a row does not have is empty."""
    file = folder / FILE
    with file.open("w", newline="", encoding="utf-8") as text:
        table = csv.DictWriter(text, _COLUMNS, restval="")
        table.writeheader()
        table.writerows(_rows(found))
    return file


def _rows(found: Findings) -> Iterator[dict[str, Any]]:
    for each in (found.final, *found.families):
        yield {"block": each.entry.level.value, **_of(each.entry), **_figures(each.standing)}
    for each in found.ablations:
        yield {"block": "ablation", **_of(each.entry), **_figures(each.standing)}
    for result, standing in found.transfers:
        where = {
            "name": result.name,
            "trained_on": result.trained_on,
            "judged_on": result.judged_on,
            "calibrated_on": result.calibrated_on,
        }
        yield {"block": "transfer", **where, **_figures(standing)}
    for name, standing in found.groups:
        yield {"block": "subgroup", "name": name, **_figures(standing)}
    for row in found.daily:
        yield {
            "block": "daily",
            **{key: row[key] for key in ("name", "outcome")},
            **_metrics(dict(row), ("auroc", "auprc")),
        }


def _of(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "settings": settings_of(entry),
        "fit_seconds": round(entry.seconds, 1),
        "microseconds_per_hour": round(entry.microseconds, 3),
        "state_bytes": entry.state_bytes,
    }


def _figures(standing: Standing) -> dict[str, Any]:
    row = {name: standing.figures[name] for name in ("n_patients", "n_septic")}
    row |= _metrics(standing.figures, METRICS)
    if standing.differences:
        for name in COMPARED:
            row[f"{name}_difference"] = f"{standing.differences[name]:.6g}"
            low, high = standing.differences[f"{name}_ci"]
            row[f"{name}_difference_low"] = f"{low:.6g}"
            row[f"{name}_difference_high"] = f"{high:.6g}"
            row[f"{name}_difference_verdict"] = standing.verdict(name)
    return row


def _metrics(figures: dict[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    row = {}
    for name in names:
        if figures.get(name) is not None:
            row[name] = f"{figures[name]:.6g}"
        for end, value in zip(("low", "high"), figures.get(f"{name}_ci") or (), strict=False):
            row[f"{name}_{end}"] = f"{value:.6g}"
    return row
