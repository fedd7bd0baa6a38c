"""The findings of a comparison: the data of its page, its table and its pictures."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.compare.experiments.days import DailyRow
from trainer.compare.experiments.transfer import TransferResult
from trainer.compare.protocol.family import Level
from trainer.compare.protocol.intervals import Standing
from trainer.compare.protocol.results import Entry, HeldOut
from trainer.data.cohort import DataSummary


@dataclass(frozen=True, slots=True)
class RankedEntry:
    """An entry with its figures on the test patients."""

    entry: Entry
    standing: Standing

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.entry.name

    @property
    def rank(self) -> float:
        """The key that tables are sorted by: the highest utility comes first."""
        return -float(self.standing.figures["utility"])


@dataclass(frozen=True, slots=True)
class Setup:
    """The conditions of a comparison.

    Attributes:
        model_id: id of the final model's bundle.
        data: fingerprint and counts, as in a manifest.
        salt: of the split.
        fractions: of train, validation and test patients.
        alert_budget: most alert starts per patient-day on validation patients.
        n_bootstrap: replicates of the intervals.
        seed: random seed of all fits.
        threads: that were used.
        machine: processor and system in words.
        versions: of the libraries, by package.
    """

    model_id: str
    data: DataSummary
    salt: str
    fractions: tuple[float, float, float]
    alert_budget: float
    n_bootstrap: int
    seed: int
    threads: int
    machine: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Effort:
    """The time and the fits of a comparison.

    Attributes:
        seconds: duration of this run.
        n_fitted: models that this run fitted; the others were kept from earlier runs.
        n_entries: models that were fitted for the comparison in all.
        fit_seconds: duration of all fits, whichever run made them.
    """

    seconds: float
    n_fitted: int
    n_entries: int
    fit_seconds: float


@dataclass(frozen=True, slots=True)
class Findings:
    """All figures of a comparison.

    Attributes:
        setup: its conditions.
        held_out: the patients.
        final: the shipped model.
        families: all others, each the best of its candidates.
        ablations: the shipped recipe with one part changed or left out.
        transfers: models at a hospital that they were, or were not, trained at.
        groups: the final model on parts of the test patients, by name.
        daily: the rows of the daily form of the task.
        absent: names of models without a result, since they were not to be fitted.
        effort: its time and its fits.
    """

    setup: Setup
    held_out: HeldOut
    final: RankedEntry
    families: Sequence[RankedEntry]
    ablations: Sequence[RankedEntry]
    transfers: Sequence[tuple[TransferResult, Standing]]
    groups: Sequence[tuple[str, Standing]]
    daily: Sequence[DailyRow]
    absent: Sequence[str]
    effort: Effort

    def at(self, level: Level) -> list[RankedEntry]:
        """The models of a level, the final one among them, the highest utility first."""
        models = [m for m in (self.final, *self.families) if m.entry.level is level]
        return sorted(models, key=lambda model: model.rank)

    @property
    def most_candidates(self) -> int:
        """The largest number of settings that a family could choose from."""
        return max((len(family.entry.attempts) for family in self.families), default=0)


def machine() -> str:
    """The machine in words: processor, how many of them, accelerator."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    words = f"{names[0] if names else platform.machine()}, {os.cpu_count()} processors"
    if torch.cuda.is_available():
        words += f", {torch.cuda.get_device_name()}"
    return f"{words}, {platform.system()}"
