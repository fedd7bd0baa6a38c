"""Fits a family: every candidate, of which the best on validation patients becomes an entry."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from streamer.datasets.cohort import Cohort, Progress
from trainer.compare.protocol.family import Family, Fitted, Settings, Task
from trainer.compare.protocol.results import Attempt, Entry, HeldOut, MadeOf, slug
from trainer.decisions.operating_point import choose_operating_point
from trainer.decisions.thresholds import best_utility
from trainer.metrics.ranking import auroc
from trainer.progress import Reporter

TIMED_STAYS: Final = 1000
"""Some 40,000 hours: enough that the fixed cost of a call does not count."""

TIMED_TIMES: Final = 3
"""The least of these is taken: other work of the machine can only add time."""


def fit_entry(
    family: Family,
    task: Task,
    held_out: HeldOut,
    alert_budget: float,
    progress: Progress | None = None,
) -> Entry:
    """Fits every candidate of a family and scores all held-out patients by the best one.

    Args:
        family: the models to fit.
        task: the data they are fitted to. Candidate, calibration and thresholds are chosen on its
            validation patients, which may be some of those held out.
        held_out: the patients whose hours are scored, once the choice is made.
        alert_budget: most alert starts per patient-day.
        progress: called with steps done and steps in all, anew for each candidate.

    Raises:
        ValueError: a model gives an hour no score, or no validation patient is septic.
    """
    stays = task.material.split.validation
    rows = task.material.rows_of(stays)
    side = task.material.cohort.take(stays)
    attempts: list[Attempt] = []
    best: tuple[Attempt, Fitted] | None = None
    for settings in family.candidates or ({},):
        started = time.monotonic()
        fitted = family.fit(task, settings, progress)
        seconds = time.monotonic() - started
        score = _require_finite(family, fitted.scores(stays)[rows])
        attempts.append(_attempt(settings, side, score, seconds))
        if best is None or attempts[-1].quality > best[0].quality:
            best = attempts[-1], fitted
    assert best is not None  # a family without candidates is fitted once, with no settings
    chosen, fitted = best
    operating_point, _ = choose_operating_point(fitted.scores(stays)[rows], side, alert_budget)
    microseconds = microseconds_per_hour(fitted, task, stays)
    held_out_rows = task.material.rows_of(held_out.stays)
    score = _require_finite(family, fitted.scores(held_out.stays)[held_out_rows])
    return Entry(
        family.name,
        family.level,
        operating_point,
        score,
        tuple(attempts),
        chosen.settings,
        microseconds,
        fitted.state_bytes,
    )


def microseconds_per_hour(fitted: Fitted, task: Task, stays: NDArray[np.int64]) -> float:
    """Microseconds of processor time on one thread to score an hour, whole stays in batches."""
    some = stays[:TIMED_STAYS]
    effort = []
    with _one_thread():
        for _ in range(TIMED_TIMES):
            started = time.process_time()
            fitted.scores(some)
            effort.append(time.process_time() - started)
    return 1e6 * min(effort) / float(task.material.cohort.lengths[some].sum())


def _attempt(
    settings: Settings, side: Cohort, score: NDArray[np.float64], seconds: float
) -> Attempt:
    best = best_utility(side.label, side.starts, score)
    return Attempt(dict(settings), best, auroc(side.label, score), round(seconds, 1))


def _require_finite(family: Family, score: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(score).all():
        n_missing = int((~np.isfinite(score)).sum())
        raise ValueError(
            f"{family.name} gave {n_missing} of {len(score)} hours no score; "
            "every hour needs a finite one"
        )
    return score


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


@dataclass(slots=True)
class FamilyRunner:
    """Fits families and keeps their entries, so that an interrupted run goes on where it was.

    Attributes:
        folder: holds the files of the entries.
        held_out: the patients whose hours are scored.
        made_of: everything that all entries depend on.
        alert_budget: most alert starts per patient-day.
        only: slugs of the models to fit anew, and no others; empty: all that are missing.
        reporter: shows the progress.
        absent: names of models without an entry, since ``only`` leaves them out.
        n_fitted: entries fitted by this run.
        n_entries: entries in all, loaded ones included.
        fit_seconds: duration of their fits, whichever run made them.
    """

    folder: Path
    held_out: HeldOut
    made_of: MadeOf
    alert_budget: float
    only: frozenset[str]
    reporter: Reporter
    absent: list[str] = field(default_factory=list)
    n_fitted: int = 0
    n_entries: int = 0
    fit_seconds: float = 0.0

    def fit_or_load(self, family: Family, task: Task, **depends_on: object) -> Entry | None:
        """The entry of a family, loaded or new; ``None`` where ``only`` leaves it out.

        Args:
            family: the models to fit.
            task: the data they are fitted to.
            depends_on: JSON values that this entry depends on beside ``made_of``.
        """
        made_of = {
            **self.made_of,
            **depends_on,
            "seed": task.seed,
            "level": family.level.value,
            "candidates": [dict(settings) for settings in family.candidates],
        }
        file = self.folder / f"{slug(family.name)}.parquet"
        named = slug(family.name) in self.only
        if not named and (kept := Entry.load(file, made_of)) is not None:
            return self._counted(kept)
        if self.only and not named:
            self.absent.append(family.name)
            return None
        with self.reporter.follow(family.name) as progress:
            entry = fit_entry(family, task, self.held_out, self.alert_budget, progress)
        entry.save(file, self.held_out, made_of)
        self.n_fitted += 1
        self.reporter.say(_summary(entry))
        return self._counted(entry)

    def _counted(self, entry: Entry) -> Entry:
        self.n_entries += 1
        self.fit_seconds += entry.seconds
        return entry

    def fit_or_load_all(
        self, families: Sequence[Family], task: Task, **depends_on: object
    ) -> list[Entry]:
        """The entries of several families, without those that ``only`` leaves out."""
        entries = (self.fit_or_load(family, task, **depends_on) for family in families)
        return [entry for entry in entries if entry is not None]


def _summary(entry: Entry) -> str:
    best = max(entry.attempts, key=lambda attempt: attempt.quality)
    return (
        f"{entry.name}: validation utility {best.utility:.4f}, AUROC {best.auroc:.4f} "
        f"({len(entry.attempts)} tried, {entry.seconds:.0f} s)"
    )
