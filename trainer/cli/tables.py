"""Figures and models as tables for people, on standard output."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from streamer.adapters.bundle import FORECAST
from trainer.card import SHOWN, figure
from trainer.forecast.table import forecast_rows


def figures_table(figures: dict[str, Any]) -> None:
    """Prints the object of ``trainer evaluate --json``: a column for all, one for each hospital."""
    columns = {"all": figures} | {
        f"hospital {name}": part for name, part in figures["by_site"].items()
    }
    table = Table(title=f"model {figures['model']}")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for key, words in (("n_patients", "stays"), ("n_septic", "septic stays"), ("n_rows", "hours")):
        table.add_row(words, *(f"{part[key]:,}" for part in columns.values()))
    for key, words in SHOWN.items():
        table.add_row(words, *(figure(part, key) for part in columns.values()))
    table.add_row("positive above", f"{figures['threshold']:.4f}")
    table.add_row("alert above", f"{figures['alert_threshold']:.4f}")
    _print(table)
    if FORECAST in figures:
        head, *rows = forecast_rows(figures[FORECAST])
        table = Table(title="forecast of vital signs, mean absolute error")
        for i, name in enumerate(head):
            table.add_column(name, justify="right" if i else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        _print(table)


def models_table(models: list[dict[str, Any]]) -> None:
    """Prints what ``trainer models list --json`` gives."""
    table = Table()
    for name in ("model", "", "added (UTC)", "utility", "AUROC", "why"):
        table.add_column(name, no_wrap=name != "why")
    for each in models:
        table.add_row(
            each["model"],
            ", ".join(each["aliases"]),
            each["added"],
            figure(each, "utility"),
            figure(each, "auroc"),
            each["why"],
        )
    _print(table)


def suggestions_table(found: list[dict[str, Any]]) -> None:
    """Prints what ``trainer explain --json`` without a patient gives."""
    table = Table(title="stays to look at: trainer explain PATIENT")
    for name in ("", "patient", "hours", "onset at hour", "foreseen", "highest 6 h risk"):
        table.add_column(name, justify="left" if name in ("", "patient") else "right")
    for each in found:
        onset, lead = each["onset_hour"], each["lead_hours"]
        table.add_row(
            each["kind"],
            each["patient"],
            str(each["hours"]),
            "-" if onset is None else str(onset),
            "-" if lead is None else f"{lead} h before",
            f"{each['highest_risk']:.1%}",
        )
    _print(table)


def _print(table: Table) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width: nothing may be cut off
        console = Console(highlight=False, width=160)
    console.print(table)
