"""References that every model must beat: constants, the clock, and the scores of the bedside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from streamer.datasets.cohort import Cohort, Progress
from trainer.compare.protocol.family import Family, Level, Settings, Task
from trainer.data.batches import some_at_a_time
from trainer.data.clinical_scores import (
    Chart,
    Score,
    mews_score,
    news2_score,
    qsofa_score,
    sirs_score,
    sofa_score,
)
from trainer.data.dataset import Material
from trainer.metrics.utility import hour_weights
from trainer.training.recipe import Recipe

_KNOTS: Final = 6  # cubic pieces between quantiles of the hour; more only follow noise


@dataclass(frozen=True, slots=True)
class Rule:
    """A score that follows from the charted rows of a stay.

    Attributes:
        material: the stays that can be scored.
        state_bytes: bytes that must be kept of a stay.
        points: from a cohort to (R,) points of its hours.
    """

    material: Material
    state_bytes: int
    points: Callable[[Cohort], NDArray[np.floating]]

    def scores(self, stays: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R,) as ``Fitted.scores``."""
        scores = np.full(self.material.cohort.n_rows, np.nan)
        for some in some_at_a_time(stays):
            scores[self.material.rows_of(some)] = self.points(self.material.cohort.take(some))
        return scores


def _fit_prevalence(task: Task, _: Settings, __: Progress | None) -> Rule:
    """A constant: the share of positive training hours, as log odds."""
    material = task.material
    rate = material.cohort.label[material.rows_of(material.split.train)].mean()
    odds = np.log(rate / (1 - rate))
    return Rule(material, 0, lambda cohort: np.full(cohort.n_rows, odds))


def _fit_clock(task: Task, _: Settings, __: Progress | None) -> Rule:
    """A smooth curve over the hours in the unit, and nothing else."""
    cohort, rows = task.material.cohort, task.material.rows_of(task.material.split.train)
    curve = make_pipeline(
        SplineTransformer(_KNOTS, knots="quantile"),
        LogisticRegression(),
    )
    weight = hour_weights(cohort.label, cohort.starts, Recipe().utility_weight)[rows]
    curve.fit(_hour(cohort)[rows], cohort.label[rows], logisticregression__sample_weight=weight)
    return Rule(task.material, 4, lambda some: curve.decision_function(_hour(some)))


def _hour(cohort: Cohort) -> NDArray[np.float64]:
    return np.log(cohort.iculos[:, None].astype(np.float64))


def _bedside(name: str, score: Score, n_values: int) -> Family:
    def fit(task: Task, _: Settings, __: Progress | None) -> Rule:
        # A value and its time for each component.
        return Rule(task.material, 8 * n_values, lambda some: score(Chart.from_cohort(some)))

    return Family(name, Level.REFERENCE, (), fit)


REFERENCES: Final = (
    Family("prevalence", Level.REFERENCE, (), _fit_prevalence),
    Family("clock alone", Level.REFERENCE, (), _fit_clock),
    _bedside("qSOFA (2 of 3)", qsofa_score, 2),
    _bedside("SIRS", sirs_score, 5),
    _bedside("MEWS (without AVPU)", mews_score, 4),
    _bedside("NEWS2 (without CVPU)", news2_score, 6),
    _bedside("partial SOFA", sofa_score, 6),
)
