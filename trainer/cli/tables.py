"""Figures and models as tables for people, on standard output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from rich.table import Table

from streamer.bundles.manifest import FORECAST, Figures
from streamer.core.model import ID_DIGITS
from streamer.process.terminal import Terminal, say, say_lines, table
from trainer.forecast.table import forecast_rows
from trainer.reports.metric_words import SHOWN, figure, interval
from trainer.tune.trials import CAUTION, Search, Trial

if TYPE_CHECKING:
    from trainer.data.report import DataReport
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


def figures_table(figures: Figures, metrics: Mapping[str, str] = SHOWN) -> None:
    """Prints figures as ``trainer evaluate --json`` has them: all stays, then each hospital.

    Args:
        figures: of a bundle.
        metrics: that are shown, with their names.
    """
    columns = {"all": figures} | {
        f"hospital {name}": part for name, part in figures["by_site"].items()
    }
    shown = Table(title=f"model {figures['model'][:ID_DIGITS]}", caption=figures.get("patients"))
    shown.add_column("")
    for name in columns:
        shown.add_column(name, justify="right", no_wrap=True)
    for key, words in (("n_patients", "stays"), ("n_septic", "septic stays"), ("n_rows", "hours")):
        shown.add_row(words, *(f"{part[key]:,}" for part in columns.values()))
    for key, words in metrics.items():
        shown.add_row(words, *(figure(part, key) for part in columns.values()))
    shown.add_row("positive above", f"{figures['threshold']:.4f}")
    shown.add_row("alert above", f"{figures['alert_threshold']:.4f}")
    _print(shown)
    if FORECAST in figures:
        head, *rows = forecast_rows(figures[FORECAST])
        shown = Table(title="forecast of vital signs, mean absolute error")
        for i, name in enumerate(head):
            shown.add_column(name, justify="right" if i else "left", no_wrap=True)
        for row in rows:
            shown.add_row(*row)
        _print(shown)


def report_tables(report: DataReport) -> None:
    """Prints the figures of a data report: stays and labels, then the variables."""
    shown = Table(title="stays and labels")
    for i, name in enumerate(("", "here", "public data")):
        shown.add_column(name, justify="right" if i else "left")
    for words, own, public in report.stay_rows():
        shown.add_row(words, own, public)
    _print(shown)
    head, *rows = report.rows()
    shown = Table(title="variables, by hours; a dropped value is outside its limits")
    for i, name in enumerate(head):
        shown.add_column(name, justify="right" if i > 1 else "left")
    for row in rows:
        shown.add_row(*row)
    _print(shown)


def changes_table(
    before: Figures,
    after: Figures,
    difference_ci: Mapping[str, Sequence[float]],
    metrics: Mapping[str, str] = SHOWN,
) -> None:
    """Prints figures before and after a recalibration, and the interval of their difference.

    Args:
        before: with the old calibration.
        after: with the new one.
        difference_ci: of after minus before.
        metrics: that are shown, with their names.
    """
    shown = Table(title=f"{after['n_patients']:,} held-out stays, {after['n_septic']:,} septic")
    shown.add_column("")
    for words in (
        f"before: {before['model'][:ID_DIGITS]}",
        f"after: {after['model'][:ID_DIGITS]}",
        "difference",
    ):
        shown.add_column(words, justify="right", no_wrap=True)
    for name, words in metrics.items():
        cells = figure(before, name), figure(after, name), interval(difference_ci[name], name)
        shown.add_row(words, *cells)
    for key, words in (("threshold", "positive above"), ("alert_threshold", "alert above")):
        shown.add_row(words, f"{before[key]:.4f}", f"{after[key]:.4f}")
    _print(shown)


def trials_table(search: Search) -> None:
    """Prints the best trials of a search, their knobs, and the `trainer fit` call for the first."""
    ranked = sorted(search.complete, key=lambda trial: -(trial.score or 0.0))
    n_cut = sum(trial.state == "pruned" for trial in search.trials)
    shown = Table(
        title=f"{len(search.trials)} trials, {len(ranked)} complete, {n_cut} cut short; "
        "figures of validation patients"
    )
    for name in ("trial", "score", "utility", "AUROC", "epochs"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("--set")
    for trial in ranked[:MOST_TRIALS]:
        figures = (f"{value or 0.0:.4f}" for value in (trial.score, trial.utility, trial.auroc))
        knobs = "the baseline recipe" if trial is search.first else _knobs(trial)
        shown.add_row(str(trial.number), *figures, str(trial.epochs), knobs)
    _print(shown)
    say_lines(search.verdict().split("\n"))
    if search.best is not None:
        say_lines(f"{CAUTION}\ntrainer fit {search.options(search.best)}".rstrip().split("\n"))


def _knobs(trial: Trial) -> str:
    return " ".join(f"{name}={value}" for name, value in trial.knobs.items())


def models_table(models: Sequence[ModelRow]) -> None:
    """Prints the rows of ``trainer models list``."""
    rows = [
        (
            row["model"][:ID_DIGITS],
            ", ".join(row["aliases"]),
            row["added"],
            figure(row, "utility"),
            figure(row, "auroc"),
            row["why"],
        )
        for row in models
    ]
    say_lines(table(("model", "", "added (UTC)", "utility", "AUROC", "why"), rows))


def comparison_table(rows: Sequence[tuple[str, Figures]], folder: Path) -> None:
    """Prints models with the compared figures, and the folder of the full page.

    Args:
        rows: names and figures, in order.
        folder: the folder of the page.
    """
    shown = Table(title="test patients")
    shown.add_column("model", no_wrap=True)
    for name in ("utility", "AUROC", "AUPRC"):
        shown.add_column(name, justify="right", no_wrap=True)
    for name, figures in rows:
        shown.add_row(name, *(figure(figures, metric) for metric in ("utility", "auroc", "auprc")))
    _print(shown)
    say(f"page, table, plots: {folder}")


def suggestions_table(suggestions: Sequence[Suggestion]) -> None:
    """Prints the suggestions of ``trainer explain`` without a patient."""
    head = ("", "patient", "hours", "onset at hour", "foreseen", "highest 6 h risk")
    rows = [
        (
            stay.kind,
            stay.patient,
            str(stay.hours),
            "-" if stay.onset_hour is None else str(stay.onset_hour),
            "-" if stay.lead_hours is None else f"{stay.lead_hours} h before",
            f"{stay.highest_risk:.1%}",
        )
        for stay in suggestions
    ]
    say("stays to look at: trainer explain PATIENT")
    say_lines(table(head, rows, right=(2, 3, 4, 5)))


def _print(shown: Table) -> None:
    console = Terminal()
    if not console.is_terminal:  # a pipe has no width, and nothing may be cut off
        console = Terminal(width=160)
    console.print(shown)
