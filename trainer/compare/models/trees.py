"""Gradient-boosted trees (LightGBM) on a snapshot and on windows: the strongest rivals here."""

from __future__ import annotations

from typing import Final

import lightgbm
import numpy as np
from lightgbm.callback import CallbackEnv

from streamer.datasets.cohort import Progress
from trainer.compare.models.tables import FEATURES, SNAPSHOT, WINDOWS, ByHour, Table, examples
from trainer.compare.protocol.family import Family, Settings, Task
from trainer.training.tree_settings import HOURLY_SETTINGS, TreeSettings

_SETTINGS: Final[TreeSettings] = {
    **HOURLY_SETTINGS,
    "metric": "auc",
    "learning_rate": 0.02,  # at 0.05 the trees lost 0.004 AUROC on validation patients
    "force_col_wise": True,  # of wide tables 1.7 times as fast as by rows
}
_ROUNDS: Final = 500
_PATIENCE: Final = 50
"""Trees without a better validation AUROC until no more are grown; it goes up and down by 0.0003
from one tree to the next."""


def _trees(table: Table) -> Family:
    def fit(task: Task, settings: Settings, progress: Progress | None) -> ByHour:
        knobs: TreeSettings = {
            **_SETTINGS,
            "num_leaves": int(settings["leaves"]),
            "seed": task.seed,
            "num_threads": task.threads,
        }
        split = task.material.split
        hours = examples(task, table, split.train)
        training = lightgbm.Dataset(hours.x, hours.y, weight=hours.weight, params=knobs).construct()
        del hours  # now binned, in a quarter of the size
        hours = examples(task, table, split.validation)
        validation = lightgbm.Dataset(hours.x, hours.y, reference=training, params=knobs)
        del hours

        def report(state: CallbackEnv) -> None:
            if progress is not None:
                progress(state.iteration + 1, _ROUNDS)

        trees = lightgbm.train(
            knobs,
            training,
            _ROUNDS,
            valid_sets=[validation],
            callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False), report],
        )
        return ByHour(
            task,
            table,
            lambda x: np.asarray(trees.predict(x, raw_score=True, num_threads=task.threads)),
        )

    leaves = ({"leaves": n} for n in (15, 31, 63))
    return Family(f"LightGBM, {table.name}", table.level, tuple(leaves), fit)


TREES: Final = (_trees(SNAPSHOT), _trees(FEATURES), _trees(WINDOWS))
