"""Measures every fitted model on the same test patients: from entries to findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.compare.experiments.days import DailyRow
from trainer.compare.experiments.transfer import DIRECTIONS, TransferResult
from trainer.compare.protocol.intervals import Standing, standings
from trainer.compare.protocol.results import Entry, HeldOut
from trainer.compare.report.findings import Effort, Findings, RankedEntry, Setup
from trainer.data.cohort import stays_of_site
from trainer.metrics.definitions import Scored
from trainer.metrics.evaluation_json import SITES
from trainer.metrics.subgroups import subgroups
from trainer.progress import Reporter


@dataclass(frozen=True, slots=True)
class FittedEntries:
    """The entries of a comparison, fitted and not yet measured.

    Attributes:
        final: the shipped model.
        families: the best of each family.
        ablations: the shipped recipe with one part changed or left out.
        transfers: models at a hospital; the final model comes first of each hospital.
        daily: the rows of the daily form.
        absent: names of models without an entry.
    """

    final: Entry
    families: Sequence[Entry]
    ablations: Sequence[Entry]
    transfers: Sequence[TransferResult]
    daily: Sequence[DailyRow]
    absent: Sequence[str]


def evaluate_all(
    fitted: FittedEntries, held_out: HeldOut, setup: Setup, effort: Effort, reporter: Reporter
) -> Findings:
    """Measures all models, with intervals and differences to the final model.

    Args:
        fitted: the models.
        held_out: the patients; the test patients are those measured on.
        setup: the conditions of the comparison, with the number of replicates.
        effort: the time of the fits, for the findings.
        reporter: shows the progress.
    """
    entries = (fitted.final, *fitted.families, *fitted.ablations)
    scored = [entry.on_test(held_out) for entry in entries]
    with reporter.follow("intervals") as progress:
        ranked = list(map(RankedEntry, entries, standings(scored, setup.n_bootstrap, progress)))
    n = 1 + len(fitted.families)
    return Findings(
        setup,
        held_out,
        ranked[0],
        ranked[1:n],
        ranked[n:],
        _transfers(fitted.transfers, setup.n_bootstrap, reporter),
        _groups(scored[0], held_out, setup.n_bootstrap, reporter),
        fitted.daily,
        fitted.absent,
        effort,
    )


def _transfers(
    transfers: Sequence[TransferResult], n_bootstrap: int, reporter: Reporter
) -> list[tuple[TransferResult, Standing]]:
    """Each result against the final model on the same hospital's test patients."""
    measured: list[tuple[TransferResult, Standing]] = []
    for _, target in DIRECTIONS:
        here = [result for result in transfers if result.judged_on == target]
        if here:
            scored = [result.scored for result in here]
            with reporter.follow(f"intervals at hospital {target}") as progress:
                measured += zip(here, standings(scored, n_bootstrap, progress), strict=True)
    return measured


def _groups(
    scored: Scored, held_out: HeldOut, n_bootstrap: int, reporter: Reporter
) -> list[tuple[str, Standing]]:
    """The final model on each part of the test patients that can be measured."""
    groups = {name: scored.take(stays) for name, stays in subgroups(held_out.test).items()}
    for name in SITES:
        here = stays_of_site(held_out.test, name)
        if held_out.test.septic[here].any():
            groups[f"hospital {name}"] = scored.take(here)
    measured = []
    for name, group in groups.items():
        with reporter.follow(f"intervals, {name}") as progress:
            measured.append((name, standings([group], n_bootstrap, progress)[0]))
    return measured
