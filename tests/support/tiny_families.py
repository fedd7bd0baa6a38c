"""Families that are fitted in no time, for tests of the comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import INDEX
from streamer.datasets.cohort import Progress
from trainer.compare.families import Entrants
from trainer.compare.protocol.family import Family, Fitted, Level, Settings, Task


@dataclass(frozen=True, slots=True)
class LastPulse:
    """Says the heart rate, in some power and with some noise."""

    task: Task
    sign: float
    noise: float
    state_bytes: int = 4

    def scores(self, stays: NDArray[np.int64]) -> NDArray[np.float64]:
        cohort = self.task.material.cohort
        pulse = np.nan_to_num(cohort.values[:, INDEX["heart_rate"]], nan=80.0).astype(np.float64)
        noise = np.random.default_rng(self.task.seed).normal(0, 1, cohort.n_rows)
        score = self.sign * (pulse - 80) / 20 + self.noise * noise
        return np.where(np.isin(cohort.patient_of_row, stays), score, np.nan)


def pulse_family(name: str, level: Level, *candidates: Settings) -> Family:
    """A family whose candidates have a ``sign`` and a ``noise``."""

    def fit(task: Task, settings: Settings, progress: Progress | None) -> Fitted:
        if progress is not None:
            progress(1, 1)
        return LastPulse(task, float(settings.get("sign", 1)), float(settings.get("noise", 0)))

    return Family(name, level, candidates, fit)


def _always_fit(task: Task, _: Settings, __: Progress | None) -> Fitted:
    return LastPulse(task, 0.0, 0.0)


GOOD = pulse_family(
    "trees, so to say", Level.WINDOW, {"sign": -1}, {"sign": 1, "noise": 0.3}, {"noise": 5}
)
WORSE = pulse_family("pulse (noisy)", Level.SNAPSHOT, {"noise": 4}, {"noise": 6}, {"noise": 8})
NOTHING = Family("prevalence", Level.REFERENCE, (), _always_fit)
BOUND = pulse_family("told the truth", Level.TRUTH, {"noise": 0.1})

RIVALS = Entrants((GOOD, WORSE, NOTHING, BOUND), trees=GOOD.name)
