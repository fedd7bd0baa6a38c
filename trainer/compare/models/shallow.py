"""Classical models of one hour: logistic regression, naive Bayes, support vector machines."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB

from streamer.datasets.cohort import Progress
from trainer.compare.models.tables import (
    SNAPSHOT,
    WINDOWS,
    ByHour,
    Examples,
    Table,
    examples,
    standardise,
)
from trainer.compare.protocol.family import Family, Level, Settings, Task
from trainer.data.rolling import Floats

PENALTIES: Final = (1e-5, 1e-4, 1e-3)
"""C of logistic regressions on the hours; on windows 1e-3 and weaker lost AUROC to 1e-4 on
validation patients."""

_LANDMARKS: Final = 300
"""Training hours that the kernel is approximated from; as many columns take its place."""


def _logistic(table: Table) -> Family:
    def fit(task: Task, settings: Settings, _: Progress | None) -> ByHour:
        """Logistic regression with a ridge penalty."""
        hours = examples(task, table, task.material.split.train)
        scaling = standardise(hours.x)
        model = LogisticRegression(C=settings["c"], max_iter=2000, tol=1e-3)
        model.fit(hours.x, hours.y, hours.weight)
        return ByHour(task, table, model.decision_function, scaling)

    return Family(
        f"logistic regression, {table.name}",
        table.level,
        tuple({"c": c} for c in PENALTIES),
        fit,
    )


def _fit_bayes(task: Task, settings: Settings, _: Progress | None) -> ByHour:
    """Gaussian naive Bayes: every column a bell curve in each class, independent of the others.

    A score is the mean over the columns and not their sum: taken for independent they add up to log
    odds of 200, for which the line of the calibration cannot be flat enough.
    """
    hours = examples(task, SNAPSHOT, task.material.split.train)
    scaling = standardise(hours.x)
    model = GaussianNB(var_smoothing=settings["smoothing"])
    model.fit(hours.x, hours.y, hours.weight)

    def score_rows(x: Floats) -> NDArray[np.float64]:
        odds: NDArray[np.float64] = np.diff(model.predict_joint_log_proba(x), axis=1)[:, 0]
        mean: NDArray[np.float64] = odds / x.shape[1]
        return mean

    return ByHour(task, SNAPSHOT, score_rows, scaling)


def _fit_linear_svm(task: Task, settings: Settings, _: Progress | None) -> ByHour:
    hours = examples(task, SNAPSHOT, task.material.split.train)
    scaling = standardise(hours.x)
    model = _hinge(task, settings).fit(hours.x, hours.y, sample_weight=_balanced_weights(hours))
    return ByHour(task, SNAPSHOT, model.decision_function, scaling)


def _fit_kernel_svm(task: Task, settings: Settings, _: Progress | None) -> ByHour:
    """A radial kernel by Nystroem's approximation (Williams and Seeger 2001), then a linear one."""
    hours = examples(task, SNAPSHOT, task.material.split.train)
    scaling = standardise(hours.x)
    kernel = Nystroem(
        gamma=float(settings["gamma"]) / hours.x.shape[1],
        n_components=min(_LANDMARKS, len(hours.x)),
        random_state=task.seed,
    )
    landmarks = np.random.default_rng(task.seed).permutation(len(hours.x))[:_LANDMARKS]
    kernel.fit(hours.x[landmarks])
    pieces = np.array_split(hours.x, -(-len(hours.x) // 50_000))
    x = np.concatenate([kernel.transform(piece) for piece in pieces], dtype=np.float32)
    model = _hinge(task, settings).fit(x, hours.y, sample_weight=_balanced_weights(hours))
    return ByHour(
        task, SNAPSHOT, lambda some: model.decision_function(kernel.transform(some)), scaling
    )


def _hinge(task: Task, settings: Settings) -> SGDClassifier:
    """A linear support vector machine by averaged stochastic gradients: time grows with rows."""
    return SGDClassifier(
        loss="hinge", alpha=settings["alpha"], average=True, random_state=task.seed
    )


def _balanced_weights(hours: Examples) -> Floats:
    """Weights by which each class has half of the total.

    A hinge loss predicts the class itself, and 1 positive hour in 50 would lose everywhere.
    """
    weight = hours.weight.copy()
    for positive in (False, True):
        weight[hours.y == positive] /= 2 * weight[hours.y == positive].sum() / len(weight)
    return weight


SHALLOW: Final = (
    _logistic(SNAPSHOT),
    _logistic(WINDOWS),
    Family(
        "naive Bayes",
        Level.SNAPSHOT,
        tuple({"smoothing": s} for s in (1e-9, 1e-2, 1e-1)),
        _fit_bayes,
    ),
    Family(
        "linear SVM",
        Level.SNAPSHOT,
        tuple({"alpha": a} for a in (1e-4, 1e-3, 1e-2)),
        _fit_linear_svm,
    ),
    Family(
        "kernel SVM (Nystroem)",
        Level.SNAPSHOT,
        tuple({"alpha": 1e-4, "gamma": g} for g in (0.1, 0.3, 1.0)),
        _fit_kernel_svm,
    ),
)
