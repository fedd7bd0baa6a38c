"""Figures and models as tables for people, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamer.bundles.manifest import FORECAST
from streamer.core.model import ID_DIGITS
from trainer.forecast.table import forecast_rows
from trainer.reports.card import SHOWN, Figures, figure, interval
from trainer.tune.trials import CAUTION, Search, Trial

if TYPE_CHECKING:
    from trainer.explain.suggestions import Suggestion

MOST_TRIALS: Final = 20  # the best ones of a search; trials.csv has all


class ModelRow(TypedDict):
    """A model as ``trainer models list --json`` has it; figures on its own test patients."""

    model: str
    aliases: list[str]
    added: str
    why: str
    utility: float | None
    utility_ci: list[float] | None
    auroc: float | None
    auroc_ci: list[float] | None
    n_patients: int | None


def figures_table(figures: Figures) -> None:
    """Prints figures as ``trainer evaluate --json`` has them: all stays, then each hospital."""
    columns = {"all": figures} | {
        f"hospital {name}": part for name, part in figures["by_site"].items()
    }
    table = Table(title=f"model {figures['model'][:ID_DIGITS]}")
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


def changes_table(
    before: Figures, after: Figures, difference_ci: Mapping[str, Sequence[float]]
) -> None:
    """Prints figures before and after a recalibration, and the interval of their difference."""
    table = Table(title=f"{after['n_patients']:,} held-out stays, {after['n_septic']:,} septic")
    table.add_column("")
    ids = [figures["model"][:ID_DIGITS] for figures in (before, after)]
    for words in (f"before: {ids[0]}", f"after: {ids[1]}", "difference"):
        table.add_column(words, justify="right", no_wrap=True)
    for name, words in SHOWN.items():
        cells = figure(before, name), figure(after, name), interval(difference_ci[name], name)
        table.add_row(words, *cells)
    for key, words in (("threshold", "positive above"), ("alert_threshold", "alert above")):
        table.add_row(words, f"{before[key]:.4f}", f"{after[key]:.4f}")
    _print(table)


def trials_table(search: Search) -> None:
    """Prints the best trials of a search, their knobs, and the `trainer fit` call for the first."""
    ranked = sorted(search.complete, key=lambda trial: -(trial.score or 0.0))
    n_cut = sum(trial.state == "pruned" for trial in search.trials)
    table = Table(
        title=f"{len(search.trials)} trials, {len(ranked)} complete, {n_cut} cut short; "
        "figures of validation patients"
    )
    for name in ("trial", "score", "utility", "AUROC", "epochs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("--set")
    for trial in ranked[:MOST_TRIALS]:
        figures = (f"{value or 0.0:.4f}" for value in (trial.score, trial.utility, trial.auroc))
        knobs = "the baseline recipe" if trial is search.first else _knobs(trial)
        table.add_row(str(trial.number), *figures, str(trial.epochs), knobs)
    _print(table)
    sys.stdout.write(search.verdict() + "\n")
    if search.best is not None:
        sys.stdout.write(f"{CAUTION}\ntrainer fit {search.options(search.best)}".rstrip() + "\n")


def _knobs(trial: Trial) -> str:
    return " ".join(f"{name}={value}" for name, value in trial.knobs.items())


def models_table(models: Sequence[ModelRow]) -> None:
    """Prints the rows of ``trainer models list``."""
    table = Table()
    for name in ("model", "", "added (UTC)", "utility", "AUROC", "why"):
        table.add_column(name, no_wrap=name != "why")
    for row in models:
        table.add_row(
            row["model"][:ID_DIGITS],
            ", ".join(row["aliases"]),
            row["added"],
            figure(row, "utility"),
            figure(row, "auroc"),
            Text(row["why"]),
        )
    _print(table)


def comparison_table(rows: Sequence[tuple[str, Figures]], folder: Path) -> None:
    """Prints models with the compared figures, and the folder of the full page.

    Args:
        rows: names and figures, in order.
        folder: the folder of the page.
    """
    table = Table(title="test patients")
    table.add_column("model", no_wrap=True)
    for name in ("utility", "AUROC", "AUPRC"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, figures in rows:
        table.add_row(name, *(figure(figures, metric) for metric in ("utility", "auroc", "auprc")))
    _print(table)
    Console(highlight=False, soft_wrap=True).print(f"page, table, plots: {folder}", markup=False)


def suggestions_table(suggestions: Sequence[Suggestion]) -> None:
    """Prints the suggestions of ``trainer explain`` without a patient."""
    table = Table(title="stays to look at: trainer explain PATIENT")
    for name in ("", "patient", "hours", "onset at hour", "foreseen", "highest 6 h risk"):
        table.add_column(name, justify="left" if name in ("", "patient") else "right")
    for stay in suggestions:
        onset, lead = stay.onset_hour, stay.lead_hours
        table.add_row(
            stay.kind,
            Text(stay.patient),  # brackets in a string would be taken for markup
            str(stay.hours),
            "-" if onset is None else str(onset),
            "-" if lead is None else f"{lead} h before",
            f"{stay.highest_risk:.1%}",
        )
    _print(table)


def _print(table: Table) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width, and nothing may be cut off
        console = Console(highlight=False, width=160)
    console.print(table)
