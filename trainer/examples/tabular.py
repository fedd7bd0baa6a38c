"""Logistic regression and gradient-boosted trees on a table: rivals of the examples' networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.ranking import auroc
from trainer.training.tree_settings import TreeSettings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Scores: TypeAlias = Callable[[Floats], Floats]
"""From (R, F) columns to (R,) scores that rise with the risk."""

PENALTIES: Final = (0.001, 0.01, 0.1, 1.0)  # C of scikit-learn; smaller is simpler
LEAVES: Final = (4, 8, 16, 31)
TREES: Final[TreeSettings] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "min_data_in_leaf": 20,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
"""Not those of ``trainer.training.tree_settings``: a table here has thousands of rows, not a
million, so its trees have smaller leaves and draw more of the columns and rows."""
MAX_TREES: Final = 500
PATIENCE: Final = 30  # trees without a lower validation loss


@dataclass(frozen=True, slots=True)
class Side:
    """A table with its labels, NaN where a cell is unknown."""

    x: Floats
    label: Bools


def spread(x: Floats) -> tuple[Floats, Floats]:
    """(F,) means and standard deviations of known values; 0 and 1 for a column without any."""
    known = ~np.isnan(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0).sum(axis=0) / count
    std = np.sqrt((np.where(known, x - mean, 0) ** 2).sum(axis=0) / count)
    return mean, np.where(std > 0, std, 1.0)


def fit_logistic(train: Side, validation: Side) -> Scores:
    """Standardised columns, unknown ones at their mean; the penalty is chosen on validation."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra, slow to load

    mean, std = spread(train.x)

    def prepared(x: Floats) -> Floats:
        return np.asarray(np.nan_to_num((x - mean) / std))

    best: Any = None
    most = -np.inf
    for penalty in PENALTIES:
        model = LogisticRegression(C=penalty, max_iter=2000).fit(prepared(train.x), train.label)
        ranking = auroc(
            validation.label.astype(np.int8), model.decision_function(prepared(validation.x))
        )
        if best is None or ranking > most:
            best, most = model, ranking
    return lambda x: np.asarray(best.decision_function(prepared(x)), np.float64)


def fit_trees(train: Side, validation: Side, seed: int, threads: int) -> Scores:
    """LightGBM with early stopping; the number of leaves is chosen on validation."""
    import lightgbm  # noqa: PLC0415 - an extra, slow to load

    best: Any = None
    most = -np.inf
    for leaves in LEAVES:
        model = lightgbm.train(
            {**TREES, "num_leaves": leaves, "seed": seed, "num_threads": threads},
            lightgbm.Dataset(train.x, train.label),
            MAX_TREES,
            [lightgbm.Dataset(validation.x, validation.label)],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        ranking = auroc(
            validation.label.astype(np.int8),
            np.asarray(model.predict(validation.x, raw_score=True)),
        )
        if best is None or ranking > most:
            best, most = model, ranking
    return lambda x: np.asarray(best.predict(x, raw_score=True), np.float64)
