"""What gradient-boosted trees say of the training hours, for the network to learn from.

Trees read a table of features better than a network finds out from 1,659 septic stays; a network
that is shown their risks beside the labels comes close to them (Hinton et al. 2015). The risks of a
training patient come from trees that have not seen the patient: their own training data they know
by heart, and the network would learn that.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.adapters.cohort import Cohort, Progress
from trainer.atomic import write_atomically
from trainer.errors import InputError
from trainer.recipe import Recipe
from trainer.utility import hour_weights

_TREES: Final[dict[str, Any]] = {
    "objective": "binary",
    "min_data_in_leaf": 500,  # hours, some 13 stays: smaller leaves are single patients
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "max_bin": 127,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the trees leave to the network; R rows, F features.

    Attributes:
        risk: (R,) of the 6 h label; NaN for everybody but training patients.
        gain: (F,) how much each feature did for the trees.
    """

    risk: NDArray[np.float32]
    gain: NDArray[np.float64]

    def save(self, file: Path, made_of: dict[str, Any]) -> None:
        """Keeps the lesson with what it depends on."""
        with write_atomically(file) as new:
            np.savez(new, risk=self.risk, gain=self.gain, made_of=json.dumps(made_of))

    @classmethod
    def load(cls, file: Path, made_of: dict[str, Any]) -> Lesson | None:
        """Reads a lesson; ``None`` where there is none, or one that was made of something else."""
        if not file.exists():
            return None
        with np.load(file) as kept:
            if json.loads(str(kept["made_of"])) != made_of:
                return None
            return cls(kept["risk"], kept["gain"])


def no_lesson(n_rows: int, n_features: int) -> Lesson:
    """What a network without a teacher has: the labels."""
    return Lesson(np.full(n_rows, np.nan, np.float32), np.zeros(n_features))


def fold_of(patient_id: str, folds: int) -> int:
    """Which fold a patient is in; depends on the id alone."""
    digest = hashlib.sha256(f"fold/{patient_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % folds


def teach(
    cohort: Cohort,
    built: NDArray[np.float32],
    stays: NDArray[np.int64],
    recipe: Recipe,
    threads: int,
    progress: Progress | None = None,
) -> Lesson:
    """Fits trees on all folds of the training patients but one, and asks them about that one.

    Args:
        cohort: all stays.
        built: (R, F) raw features.
        stays: the training stays.
        recipe: knobs.
        threads: that may be used.
        progress: called with folds done and folds in all.

    Raises:
        InputError: LightGBM is not installed.
    """
    try:
        import lightgbm  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise InputError(
            "the teacher needs LightGBM: pip install 'vigil-icu[train]', "
            "or --set teacher_share=0 for a network without a teacher"
        ) from error
    rows = np.concatenate([np.arange(cohort.starts[i], cohort.starts[i + 1]) for i in stays])
    folds = np.array([fold_of(cohort.patient_ids[i], recipe.teacher_folds) for i in stays])
    fold = np.repeat(folds, cohort.lengths[stays])  # of each training row
    settings = {
        **_TREES,
        "num_leaves": recipe.teacher_leaves,
        "learning_rate": recipe.teacher_rate,
        "seed": recipe.seed,
        "num_threads": threads,
    }
    weights = hour_weights(cohort.label, cohort.starts, recipe.utility_weight)
    table = lightgbm.Dataset(
        built[rows], cohort.label[rows] == 1, weight=weights[rows], params=settings
    ).construct()
    lesson = no_lesson(cohort.n_rows, built.shape[1])
    for left_out in range(recipe.teacher_folds):
        asked = rows[fold == left_out]
        taught = np.flatnonzero(fold != left_out).tolist()
        if len(asked) and len(taught):
            trees = lightgbm.train(settings, table.subset(taught), recipe.teacher_rounds)
            lesson.risk[asked] = trees.predict(built[asked], num_threads=threads)
            lesson.gain[:] += trees.feature_importance("gain")
        if progress is not None:
            progress(left_out + 1, recipe.teacher_folds)
    return lesson
