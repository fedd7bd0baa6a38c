"""Markov chains of hours: logistic regression on the status of the hour before.

The textbook's form, an AR(1) generalised linear model, uses the true status of the hour before.
Here that is the challenge's label, which turns six hours before onset. It is unknown at the
bedside, so this form is a bound on what persistence is worth, not a competitor.

The live form has only its own prediction. With ``p`` the probability that the status was positive
an hour ago, the probability that it is positive now is::

    p' = p P(1 | 1, x) + (1 - p) P(1 | 0, x)

Both transitions come from the very same regression, so this is its prediction for a stay whose
status is never seen. The status before the first hour counts as negative in both forms.

All hours have equal weight here: the transitions are compounded, and must be probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from streamer.core.model import Scaling
from streamer.datasets.cohort import Cohort, Progress
from trainer.compare.models.shallow import PENALTIES
from trainer.compare.models.tables import NOTHING, SNAPSHOT, Table, examples, standardise
from trainer.compare.protocol.family import Family, Level, Settings, Task
from trainer.data.batches import some_at_a_time
from trainer.data.rolling import Floats, elapsed_hours

_STATUS_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Markov:
    """A fitted chain of hours.

    Attributes:
        task: the stays that can be scored.
        table: the covariates beside the previous status.
        scaling: of the covariates.
        regression: fitted to the covariates and, in the last column, the previous status.
        knows_truth: whether it uses the true status.
    """

    task: Task
    table: Table
    scaling: Scaling
    regression: LogisticRegression
    knows_truth: bool

    @property
    def state_bytes(self) -> int:
        """The state of the covariates, and the last prediction."""
        return self.table.state_bytes(self.task.material.cohort.variables) + _STATUS_BYTES

    def scores(self, stays: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R,) log odds, as ``Fitted.scores``."""
        cohort = self.task.material.cohort
        after_no = np.full(cohort.n_rows, np.nan)  # log odds where the status before was negative
        for some in some_at_a_time(stays):
            x = self.scaling.apply(self.table.rows(self.task.material, some))
            x = _beside(x, np.zeros(len(x), np.float32))
            after_no[self.task.material.rows_of(some)] = self.regression.decision_function(x)
        after_yes = after_no + self.regression.coef_[0, -1]
        if self.knows_truth:
            return np.where(status_before(cohort) == 1, after_yes, after_no)
        rows = self.task.material.rows_of(stays)
        scores = np.full_like(after_no, np.nan)
        scores[rows] = marginal(
            after_no[rows],
            after_yes[rows],
            cohort.patient_of_row[rows],
            elapsed_hours(cohort.starts)[rows],
        )
        return scores


def marginal(
    after_no: NDArray[np.float64],
    after_yes: NDArray[np.float64],
    stay: NDArray[np.int64],
    step: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(R,) log odds of a positive status when no status before is known.

    Args:
        after_no: (R,) log odds where the status before was negative.
        after_yes: (R,) the same where it was positive.
        stay: (R,) index of the stay of each row.
        step: (R,) number of the row within its stay, from 0, without a gap.

    >>> half, sure, stay = np.zeros(2), np.full(2, 50.0), np.zeros(2, np.int64)
    >>> np.exp(marginal(half, sure, stay, np.arange(2))).round(3).tolist()
    [1.0, 3.0]
    """
    odds = np.empty_like(after_no)
    # Log probabilities, by stay. For log odds z it is -log(1 + exp(-z)), which does not overflow.
    yes, no = np.full(stay.max() + 1, -np.inf), np.zeros(stay.max() + 1)
    order = np.argsort(step, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(step[order])) + 1):
        here = stay[rows]
        now = [
            np.logaddexp(
                yes[here] - np.logaddexp(0, -sign * after_yes[rows]),
                no[here] - np.logaddexp(0, -sign * after_no[rows]),
            )
            for sign in (1, -1)
        ]
        yes[here], no[here] = now
        odds[rows] = now[0] - now[1]
    return odds


def status_before(cohort: Cohort) -> Floats:
    """(R,) the label of the row before, 0 in the first row of a stay."""
    before = np.roll(cohort.label, 1).astype(np.float32)
    before[cohort.starts[:-1]] = 0
    return before


def _beside(x: Floats, status: Floats) -> Floats:
    return np.concatenate([x, status[:, None]], axis=1)


def _markov(name: str, table: Table, knows_truth: bool) -> Family:
    def fit(task: Task, settings: Settings, _: Progress | None) -> Markov:
        stays = task.material.split.train
        hours = examples(task, table, stays)
        scaling = standardise(hours.x)
        x = _beside(hours.x, status_before(task.material.cohort)[task.material.rows_of(stays)])
        # The status never turns back, so without a penalty its coefficient would be infinite.
        model = LogisticRegression(C=settings.get("c", 1.0), max_iter=2000, tol=1e-3)
        return Markov(task, table, scaling, model.fit(x, hours.y), knows_truth)

    # Without covariates the prediction depends on the hour of the stay alone.
    live = Level.REFERENCE if table is NOTHING else Level.SEQUENCE
    level = Level.TRUTH if knows_truth else live
    # On its own prediction C = 1e-2 lost 0.03 AUROC to 1e-3, on validation patients.
    penalties = tuple({"c": c} for c in PENALTIES) if table is not NOTHING else ()
    return Family(name, level, penalties, fit)


MARKOV: Final = (
    _markov("Markov chain on the true status", NOTHING, knows_truth=True),
    _markov("AR(1) GLM on the true status", SNAPSHOT, knows_truth=True),
    _markov("Markov chain on its own prediction", NOTHING, knows_truth=False),
    _markov("AR(1) GLM on its own prediction", SNAPSHOT, knows_truth=False),
)
