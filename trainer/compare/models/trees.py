"""Gradient-boosted trees (LightGBM): what won on this data, on a snapshot and on windows."""

from __future__ import annotations

from typing import Any, Final

import lightgbm
import numpy as np

from streamer.datasets.cohort import Progress
from trainer.compare.models.tables import FEATURES, SNAPSHOT, WINDOWS, ByHour, Table, examples
from trainer.compare.protocol.family import Family, Settings, Task

_SETTINGS: Final[dict[str, Any]] = {
    "objective": "binary",
    "metric": "auc",
    "learning_rate": 0.02,  # at 0.05 the trees lost 0.004 AUROC on validation patients
    "min_data_in_leaf": 500,  # hours, some 13 stays: smaller leaves are single patients
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "max_bin": 127,
    "deterministic": True,
    "force_col_wise": True,  # of wide tables 1.7 times as fast as by rows
    "verbose": -1,
}
_ROUNDS: Final = 500
_PATIENCE: Final = 50
"""Trees without a better validation AUROC until no more are grown; it goes up and down by 0.0003
from one tree to the next."""


def _trees(table: Table) -> Family:
    def fit(task: Task, settings: Settings, progress: Progress | None) -> ByHour:
        knobs = {
            **_SETTINGS,
            "num_leaves": settings["leaves"],
            "seed": task.seed,
            "num_threads": task.threads,
        }
        split = task.material.split
        hours = examples(task, table, split.train)
        learned = lightgbm.Dataset(hours.x, hours.y, weight=hours.weight, params=knobs).construct()
        del hours  # binned by now, to a quarter of the size
        judges = examples(task, table, split.validation)
        judged = lightgbm.Dataset(judges.x, judges.y, reference=learned, params=knobs)
        del judges

        def grown(state: Any) -> None:
            if progress is not None:
                progress(state.iteration + 1, _ROUNDS)

        trees = lightgbm.train(
            knobs,
            learned,
            _ROUNDS,
            valid_sets=[judged],
            callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False), grown],
        )
        return ByHour(
            task,
            table,
            lambda x: np.asarray(trees.predict(x, raw_score=True, num_threads=task.threads)),
        )

    leaves = ({"leaves": n} for n in (15, 31, 63))
    return Family(f"LightGBM, {table.name}", table.level, tuple(leaves), fit)


TREES: Final = (_trees(SNAPSHOT), _trees(FEATURES), _trees(WINDOWS))
