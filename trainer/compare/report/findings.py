"""What a comparison found, whole: what its page, its table and its pictures are made from."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.compare.experiments.transfer import Crossing
from trainer.compare.families import Row
from trainer.compare.protocol.family import Level
from trainer.compare.protocol.intervals import Standing
from trainer.compare.protocol.results import Entry, HeldOut
from trainer.data.cohort import DataSummary


@dataclass(frozen=True, slots=True)
class Placed:
    """A model with how it stands on the test patients."""

    entry: Entry
    standing: Standing

    @property
    def name(self) -> str:
        """Of the model."""
        return self.entry.name

    @property
    def rank(self) -> float:
        """What tables are sorted by: the highest utility comes first."""
        return -float(self.standing.figures["utility"])


@dataclass(frozen=True, slots=True)
class Terms:
    """What the comparison was made with.

    Attributes:
        model_id: of the final model's bundle.
        data: fingerprint and counts, as in a manifest.
        salt: of the split.
        fractions: of train, validation and test patients.
        alert_budget: most alert starts per patient-day on validation patients.
        n_bootstrap: replicates.
        seed: of all fits.
        threads: that were used.
        machine: in words.
        versions: of the libraries.
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
class Spent:
    """What a comparison took.

    Attributes:
        seconds: of this run.
        n_fitted: models that this run fitted; the others were kept from runs before.
        n_entries: models that were fitted for the comparison in all.
        fit_seconds: of all fits, whichever run made them.
    """

    seconds: float
    n_fitted: int
    n_entries: int
    fit_seconds: float


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was found.

    Attributes:
        terms: what it was made with.
        held_out: the patients.
        final: the shipped model.
        families: all others, each the best of its candidates.
        ablations: the shipped recipe with something taken away.
        crossings: models at a hospital that they were, or were not, trained at.
        groups: the final model on parts of the test patients.
        daily: the daily form of the task, as its fitting gives it.
        absent: names of models that were not fitted because they were not asked for.
        spent: what it took.
    """

    terms: Terms
    held_out: HeldOut
    final: Placed
    families: Sequence[Placed]
    ablations: Sequence[Placed]
    crossings: Sequence[tuple[Crossing, Standing]]
    groups: Sequence[tuple[str, Standing]]
    daily: Sequence[Row]
    absent: Sequence[str]
    spent: Spent

    def at(self, level: Level) -> list[Placed]:
        """The models of a level, the final one among them, the highest utility first."""
        placed = [each for each in (self.final, *self.families) if each.entry.level is level]
        return sorted(placed, key=lambda each: each.rank)

    @property
    def most_candidates(self) -> int:
        """How many settings a family could choose from."""
        return max((len(each.entry.attempts) for each in self.families), default=0)


def machine() -> str:
    """The machine in words: processor, how many of them, accelerator."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    words = f"{found[0] if found else platform.machine()}, {os.cpu_count()} processors"
    if torch.cuda.is_available():
        words += f", {torch.cuda.get_device_name()}"
    return f"{words}, {platform.system()}"
