"""From what was fitted to what was found: all of it judged on the test patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.compare.experiments.transfer import DIRECTIONS, TransferResult
from trainer.compare.families import Row
from trainer.compare.protocol.intervals import Standing, standings
from trainer.compare.protocol.results import Entry, HeldOut
from trainer.compare.report.findings import Effort, Findings, RankedEntry, Setup
from trainer.data.cohort import stays_of_site
from trainer.metrics.measures import Scored
from trainer.metrics.report import SITES
from trainer.metrics.subgroups import subgroups
from trainer.progress import Reporter


@dataclass(frozen=True, slots=True)
class FittedEntries:
    """Everything that takes part, fitted.

    Attributes:
        final: the shipped model.
        families: the best of each family.
        ablations: the shipped recipe with something changed.
        transfers: models at a hospital; of each hospital the final model is the first.
        daily: the rows of the daily form.
        absent: names of models that are not there.
    """

    final: Entry
    families: Sequence[Entry]
    ablations: Sequence[Entry]
    transfers: Sequence[TransferResult]
    daily: Sequence[Row]
    absent: Sequence[str]


def judge_all(
    fitted_entries: FittedEntries,
    held_out: HeldOut,
    setup: Setup,
    effort: Effort,
    reporter: Reporter,
) -> Findings:
    """Measures everybody, with intervals, all against the final model.

    Args:
        fitted_entries: who is judged.
        held_out: on whose test patients.
        setup: what the comparison is made with; says how many replicates.
        effort: what fitting took.
        reporter: told how far it is.
    """
    entries = (fitted_entries.final, *fitted_entries.families, *fitted_entries.ablations)
    judged = [entry.on_test(held_out) for entry in entries]
    with reporter.follow("intervals") as progress:
        ranked = list(map(RankedEntry, entries, standings(judged, setup.n_bootstrap, progress)))
    n = 1 + len(fitted_entries.families)
    return Findings(
        setup,
        held_out,
        ranked[0],
        ranked[1:n],
        ranked[n:],
        _transfers(fitted_entries.transfers, setup.n_bootstrap, reporter),
        _groups(judged[0], held_out, setup.n_bootstrap, reporter),
        fitted_entries.daily,
        fitted_entries.absent,
        effort,
    )


def _transfers(
    transfers: Sequence[TransferResult], n_bootstrap: int, reporter: Reporter
) -> list[tuple[TransferResult, Standing]]:
    """Each crossing against the final model on the same hospital's test patients."""
    found = []
    for _, goal in DIRECTIONS:
        here = [result for result in transfers if result.judged_on == goal]
        if here:
            scored = [result.scored for result in here]
            with reporter.follow(f"intervals at hospital {goal}") as progress:
                ranked = standings(scored, n_bootstrap, progress)
            found += list(zip(here, ranked, strict=True))
    return found


def _groups(
    scored: Scored, held_out: HeldOut, n_bootstrap: int, reporter: Reporter
) -> list[tuple[str, Standing]]:
    """The final model on each part of the test patients that can be measured."""
    parts = {name: scored.take(stays) for name, stays in subgroups(held_out.test).items()}
    for name in SITES:
        here = stays_of_site(held_out.test, name)
        if held_out.test.septic[here].any():
            parts[f"hospital {name}"] = scored.take(here)
    found = []
    for name, part in parts.items():
        with reporter.follow(f"intervals, {name}") as progress:
            found.append((name, standings([part], n_bootstrap, progress)[0]))
    return found
