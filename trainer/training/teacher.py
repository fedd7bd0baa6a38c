"""The teacher: soft labels of the training hours by gradient-boosted trees, for the network.

From 1,659 septic stays, trees learn more of a table of features than a network does; a network that
is trained on their risks beside the labels comes close to them (Hinton et al. 2015). The risks of a
training patient come from trees that have not seen the patient: trees know their own training data
by heart, and the network would learn that.

One set of trees sees the network's features. Another also sees the hours before as they were, for
which a stay's memory has no room; the network learns what it can of this from its own features
(privileged information: Vapnik and Izmailov 2015, Lopez-Paz et al. 2016).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.atomic import write_atomically
from trainer.data.batches import some_at_a_time
from trainer.data.dataset import Material
from trainer.data.windows import window_features, window_names
from trainer.errors import InputError
from trainer.metrics.utility import hour_weights
from trainer.training.freed_memory import give_back
from trainer.training.recipe import KnobValue, Recipe
from trainer.training.saved_tree_sets import SavedTreeSets, TreeSet
from trainer.training.tree_settings import HOURLY_SETTINGS

if TYPE_CHECKING:
    import lightgbm

ROWS_AT_ONCE: Final = 1 << 15
"""70 MB of the wider table."""


@dataclass(frozen=True, slots=True)
class SoftLabels:
    """The trees' risks and feature gains, for the network; R rows, F features.

    Attributes:
        risk: (R,) of the 6 h label; NaN in the rows of all but training patients.
        gain: (F,) of each feature, summed over the trees.
    """

    risk: NDArray[np.float32]
    gain: NDArray[np.float64]

    def save(self, file: Path, made_of: Mapping[str, object]) -> None:
        """Writes the soft labels with everything they depend on."""
        with write_atomically(file) as new:
            np.savez(new, risk=self.risk, gain=self.gain, made_of=json.dumps(dict(made_of)))

    @classmethod
    def load(cls, file: Path, made_of: Mapping[str, object]) -> SoftLabels | None:
        """Reads soft labels; ``None`` where there are none, or they were made of something else."""
        try:
            with file.open("rb") as content, np.load(content) as kept:
                if json.loads(str(kept["made_of"])) == made_of:
                    return cls(kept["risk"], kept["gain"])
        except (OSError, EOFError, KeyError, ValueError, BadZipFile):  # no file, or a damaged one
            return None
        return None


def no_soft_labels(n_rows: int, n_features: int) -> SoftLabels:
    """Soft labels without a teacher: every hour has its label alone."""
    return SoftLabels(np.full(n_rows, np.nan, np.float32), np.zeros(n_features))


def fold_of(patient_id: str, folds: int) -> int:
    """The fold of a patient: depends on the id alone."""
    digest = hashlib.sha256(f"fold/{patient_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % folds


def teacher_knobs(recipe: Recipe) -> dict[str, KnobValue]:
    """The knobs that soft labels depend on; those of the network are not among them."""
    knobs = recipe.to_json()
    del knobs["teacher_share"]  # a knob of the network's target
    also = ("seed", "salt", "fractions", "utility_weight")
    return {name: knobs[name] for name in knobs if name.startswith("teacher_") or name in also}


def fit_teacher(
    material: Material,
    recipe: Recipe,
    threads: int,
    progress: Progress | None = None,
    kept: SavedTreeSets | None = None,
) -> SoftLabels:
    """Fits trees on all folds of the training patients but one, and predicts that one, for each.

    A patient's log odds are the mean of those by the trees of the two views.

    Args:
        material: data; only training patients are looked at.
        recipe: knobs.
        threads: number of threads that may be used.
        progress: called with sets of trees done and to be done.
        kept: where the risks of each set are kept when it is done; those that it has are not
            fitted again.

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
    owners = cohort.owners
    folds = np.array([fold_of(owners[i], recipe.teacher_folds) for i in stays])
    fold = np.repeat(folds, cohort.lengths[stays])  # (training rows,)
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
    for number, (view_log_odds, view) in enumerate(zip(log_odds, views, strict=True)):
        seen, table = None, None  # made for the first set that is not kept
        give_back()
        for left_out in range(recipe.teacher_folds):
            asked, fitted_on = fold == left_out, np.flatnonzero(fold != left_out).tolist()
            one = None if kept is None else kept.load(number, left_out)
            if one is None and asked.any() and len(fitted_on):
                if seen is None or table is None:
                    seen = view(material)
                    table = lightgbm.Dataset(seen, label, weight=weights, params=settings)
                    table.construct()
                    give_back()
                trees = lightgbm.train(settings, table.subset(fitted_on), recipe.teacher_rounds)
                one = TreeSet(
                    _log_odds(trees, seen, np.flatnonzero(asked), threads),
                    trees.feature_importance("gain"),
                )
                if kept is not None:
                    kept.save(number, left_out, one)
            if one is not None:
                view_log_odds[asked] = one.log_odds
                if view is _hours:
                    soft_labels.gain[:] += one.gain
            done += 1
            if progress is not None:
                progress(done, len(views) * recipe.teacher_folds)
    seen, table = None, None
    give_back()
    soft_labels.risk[rows] = 1 / (1 + np.exp(-log_odds.mean(axis=0)))
    return soft_labels


def _log_odds(
    trees: lightgbm.Booster, seen: NDArray[np.float32], rows: NDArray[np.int64], threads: int
) -> NDArray[np.float64]:
    """(rows,) of some rows of a table, of which no copy is made but of some at a time."""
    return np.concatenate(
        [
            np.asarray(
                trees.predict(seen[rows[i : i + ROWS_AT_ONCE]], raw_score=True, num_threads=threads)
            )
            for i in range(0, len(rows), ROWS_AT_ONCE)
        ]
    )


def _hours(material: Material) -> NDArray[np.float32]:
    """(rows of training stays, F): the network's features."""
    return material.built[material.rows_of(material.split.train)]


def _windows(material: Material) -> NDArray[np.float32]:
    """(rows of training stays, W): the network's features, and the hours before as they were."""
    stays = material.split.train
    width = len(window_names(material.cohort.variables))
    seen = np.empty((len(material.rows_of(stays)), width), np.float32)
    begin = 0
    for some in some_at_a_time(stays):
        windows = window_features(material, some)
        seen[begin : begin + len(windows)] = windows
        begin += len(windows)
    return seen
