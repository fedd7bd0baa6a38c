"""What gradient-boosted trees say of the training hours, for the network to learn from.

Trees read a table of features better than a network finds out from 1,659 septic stays; a network
that is shown their risks beside the labels comes close to them (Hinton et al. 2015). The risks of a
training patient come from trees that have not seen the patient: their own training data they know
by heart, and the network would learn that.

One set of trees sees what the network sees. Another also sees the hours before as they were, which
a stay's memory has no room for; what it alone can tell, the network learns to tell as far as its
own view goes (privileged information: Vapnik and Izmailov 2015, Lopez-Paz et al. 2016).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.atomic import write_atomically
from trainer.data.batches import some_at_a_time
from trainer.data.material import Material
from trainer.data.windows import WINDOW_NAMES, window_features
from trainer.errors import InputError
from trainer.metrics.utility import hour_weights
from trainer.training.recipe import Recipe
from trainer.training.tree_settings import HOURLY_SETTINGS


@dataclass(frozen=True, slots=True)
class SoftLabels:
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
    def load(cls, file: Path, made_of: dict[str, Any]) -> SoftLabels | None:
        """Reads a lesson; ``None`` where there is none, or one that was made of something else."""
        try:
            with file.open("rb") as content, np.load(content) as kept:
                if json.loads(str(kept["made_of"])) == made_of:
                    return cls(kept["risk"], kept["gain"])
        except (OSError, EOFError, KeyError, ValueError, BadZipFile):  # no lesson, or a damaged one
            return None
        return None


def no_soft_labels(n_rows: int, n_features: int) -> SoftLabels:
    """What a network without a teacher has: the labels."""
    return SoftLabels(np.full(n_rows, np.nan, np.float32), np.zeros(n_features))


def fold_of(patient_id: str, folds: int) -> int:
    """Which fold a patient is in; depends on the id alone."""
    digest = hashlib.sha256(f"fold/{patient_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % folds


def taught_by(recipe: Recipe) -> dict[str, Any]:
    """The knobs that a lesson depends on: with another network the same lesson will do."""
    knobs = recipe.to_json()
    del knobs["teacher_share"]  # of the network's target
    also = ("seed", "salt", "fractions", "utility_weight")
    return {name: knobs[name] for name in knobs if name.startswith("teacher_") or name in also}


def fit_teacher(
    material: Material, recipe: Recipe, threads: int, progress: Progress | None = None
) -> SoftLabels:
    """Fits trees on all folds of the training patients but one, and asks them about that one.

    A patient's risk has the mean of the log odds that trees of the two views say.

    Args:
        material: what is known of all stays; only those of training patients are looked at.
        recipe: knobs.
        threads: that may be used.
        progress: called with sets of trees done and to be done.

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
    cohort, stays = material.cohort, material.split.train
    rows = material.rows_of(stays)
    folds = np.array([fold_of(cohort.patient_ids[i], recipe.teacher_folds) for i in stays])
    fold = np.repeat(folds, cohort.lengths[stays])  # of each training row
    settings = {
        **HOURLY_SETTINGS,
        "force_row_wise": True,
        "num_leaves": recipe.teacher_leaves,
        "learning_rate": recipe.teacher_rate,
        "seed": recipe.seed,
        "num_threads": threads,
    }
    label = cohort.label[rows] == 1
    weights = hour_weights(cohort.label, cohort.starts, recipe.utility_weight)[rows]
    views = (_hours, _windows) if recipe.teacher_windows else (_hours,)
    soft_labels = no_soft_labels(cohort.n_rows, material.built.shape[1])
    log_odds = np.full((len(views), len(rows)), np.nan)
    done = 0
    for said, view in zip(log_odds, views, strict=True):
        seen = view(material)
        table = lightgbm.Dataset(seen, label, weight=weights, params=settings).construct()
        for left_out in range(recipe.teacher_folds):
            asked, taught = fold == left_out, np.flatnonzero(fold != left_out).tolist()
            if asked.any() and len(taught):
                trees = lightgbm.train(settings, table.subset(taught), recipe.teacher_rounds)
                said[asked] = trees.predict(seen[asked], raw_score=True, num_threads=threads)
                if view is _hours:
                    soft_labels.gain[:] += trees.feature_importance("gain")
            done += 1
            if progress is not None:
                progress(done, len(views) * recipe.teacher_folds)
    soft_labels.risk[rows] = 1 / (1 + np.exp(-log_odds.mean(axis=0)))
    return soft_labels


def _hours(material: Material) -> NDArray[np.float32]:
    """(rows of training stays, F): what the network sees."""
    return material.built[material.rows_of(material.split.train)]


def _windows(material: Material) -> NDArray[np.float32]:
    """(rows of training stays, W): what the network sees, and the hours before as they were."""
    stays = material.split.train
    seen = np.empty((len(material.rows_of(stays)), len(WINDOW_NAMES)), np.float32)
    begin = 0
    for some in some_at_a_time(stays):
        windows = window_features(material, some)
        seen[begin : begin + len(windows)] = windows
        begin += len(windows)
    return seen
