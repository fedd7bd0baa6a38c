"""The comparison as CSV, for programs: a row for each model, hospital and group."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from trainer.compare.protocol.intervals import COMPARED, Standing
from trainer.compare.protocol.results import Entry
from trainer.compare.report.findings import Findings
from trainer.compare.report.page import settings_of
from trainer.metrics.definitions import METRICS

FILE: Final = "comparison.csv"

_Row: TypeAlias = dict[str, object]

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


def write(findings: Findings, folder: Path) -> Path:
    """Writes ``comparison.csv``; a cell without a value is empty."""
    file = folder / FILE
    with file.open("w", newline="", encoding="utf-8") as text:
        table = csv.DictWriter(text, _COLUMNS, restval="")
        table.writeheader()
        table.writerows(_rows(findings))
    return file


def _rows(findings: Findings) -> Iterator[_Row]:
    for model in (findings.final, *findings.families):
        yield {"block": model.entry.level.value, **_entry(model.entry), **_figures(model.standing)}
    for model in findings.ablations:
        yield {"block": "ablation", **_entry(model.entry), **_figures(model.standing)}
    for result, standing in findings.transfers:
        hospitals = {
            "name": result.name,
            "trained_on": result.trained_on,
            "judged_on": result.judged_on,
            "calibrated_on": result.calibrated_on,
        }
        yield {"block": "transfer", **hospitals, **_figures(standing)}
    for name, standing in findings.groups:
        yield {"block": "subgroup", "name": name, **_figures(standing)}
    for row in findings.daily:
        names = {"name": row["name"], "outcome": row["outcome"]}
        yield {"block": "daily", **names, **_metrics(row, ("auroc", "auprc"))}


def _entry(entry: Entry) -> _Row:
    return {
        "name": entry.name,
        "settings": settings_of(entry),
        "fit_seconds": round(entry.seconds, 1),
        "microseconds_per_hour": round(entry.microseconds, 3),
        "state_bytes": entry.state_bytes,
    }


def _figures(standing: Standing) -> _Row:
    row: _Row = {name: standing.figures[name] for name in ("n_patients", "n_septic")}
    row |= _metrics(standing.figures, METRICS)
    for name, difference in standing.differences.items():
        row[f"{name}_difference"] = f"{difference.value:.6g}"
        row[f"{name}_difference_low"] = f"{difference.low:.6g}"
        row[f"{name}_difference_high"] = f"{difference.high:.6g}"
        row[f"{name}_difference_verdict"] = difference.verdict
    return row


def _metrics(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    row = {}
    for name in names:
        if values.get(name) is not None:
            row[name] = f"{values[name]:.6g}"
        for end, value in zip(("low", "high"), values.get(f"{name}_ci") or (), strict=False):
            row[f"{name}_{end}"] = f"{value:.6g}"
    return row
