"""Logits of stays by networks that did not learn from them, for a site with few septic stays.

Where validation patients are too few to calibrate on, all known stays have to serve. A network
ranks those it learned from better than any to come, and a calibration on them makes its risks too
extreme. So each fifth of the patients gets its logits from a network that went on from the same
start, by the same recipe and for as many epochs, with the other four fifths.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.lstm_network import HORIZONS
from streamer.datasets.cohort import Cohort, Progress
from trainer.archive.stay_ids import fraction_of
from trainer.data.dataset import Dataset, Material
from trainer.data.split import Split
from trainer.decisions.operating_point import enough_to_choose, uncalibrated
from trainer.decisions.predictions import cohort_logits
from trainer.training.checkpoint import Epoch, Run
from trainer.training.loop import Validate, train, trained
from trainer.training.recipe import Recipe
from trainer.training.teacher import SoftLabels

FOLDS: Final = 5
"""Four fifths of the known stays are about as many as the network itself learned from."""

_SALT: Final = "cross-fitting"


def to_choose_on(
    material: Material,
    recipe: Recipe,
    soft_labels: SoftLabels,
    run: Run,
    progress: Progress | None = None,
) -> tuple[Dataset, NDArray[np.float64] | None]:
    """The stays that calibration and thresholds are chosen on: validation, unless it is too small.

    A site that begins has some septic validation stays, and a choice on three of them is luck. So
    all known stays serve then; where a network went on from a bundle, as others see them that did
    not learn from them. A fit anew of so few stays is advised against, and looks for itself.

    Stays that the bundle before learned from are left out, since each of these networks goes on
    from it. Where the others are too few, all serve: risks may be too extreme, as the card says.

    Returns:
        the stays, and their logits ``(R, 3)``; ``None`` for those of the network itself.
    """
    split = material.split
    septic, known = material.cohort.septic, np.sort(np.concatenate([split.train, split.validation]))
    validation, unlearned = map(material.not_learned, (split.validation, known))
    if enough_to_choose(int(septic[validation].sum())):
        return material.dataset(validation), None
    if material.start is None:
        return material.dataset(known), None
    chosen_on = unlearned if enough_to_choose(int(septic[unlearned].sum())) else known
    unseen = cross_fitted_logits(material, recipe, soft_labels, run, progress)
    return material.dataset(chosen_on), unseen


def folds(cohort: Cohort, stays: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Parts of the stays, ascending; all stays of a patient are in one, septic ones spread evenly.

    Args:
        cohort: all stays.
        stays: (n,) indices of those to be parted.
    """
    owners = [cohort.owners[i] for i in stays.tolist()]
    septic = {
        owner for owner, is_septic in zip(owners, cohort.septic[stays], strict=True) if is_septic
    }
    order = sorted(set(owners), key=lambda owner: (owner in septic, fraction_of(owner, _SALT)))
    fold_of = {owner: turn % FOLDS for turn, owner in enumerate(order)}
    fold = np.array([fold_of[owner] for owner in owners], np.int64)
    return [stays[fold == i] for i in range(FOLDS)]


def cross_fitted_logits(
    material: Material,
    recipe: Recipe,
    soft_labels: SoftLabels,
    run: Run,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """The logits ``(R, 3)`` of training and validation stays; NaN in the rows of others.

    Args:
        material: data, and the network to go on from.
        recipe: of the run.
        soft_labels: of the run.
        run: the one that made the network; its best epoch says how long the others learn.
        progress: called with networks done and networks in all.
    """
    split = material.split
    known = np.sort(np.concatenate([split.train, split.validation]))
    logits = np.full((material.cohort.n_rows, len(HORIZONS)), np.nan)
    nobody = known[:0]
    for done, apart in enumerate(parts := folds(material.cohort, known)):
        rest = Split(np.setdiff1d(known, apart), nobody, split.test)
        other = train(
            replace(material, split=rest),
            replace(recipe, patience=1),
            soft_labels,
            validate=_until(run.best_epoch),
        )
        variables = material.cohort.variables
        model = uncalibrated(
            trained(other, recipe, variables).in_numpy(), material.scaling, variables
        )
        dataset = material.dataset(apart)
        logits[dataset.rows] = cohort_logits(model, dataset)[dataset.rows]
        if progress is not None:
            progress(done + 1, len(parts))
    return logits


def _until(epoch: int) -> Validate:
    """Scores that make a certain epoch the best; no stay is looked at."""
    done = 0

    def validate(*_: object) -> Epoch:
        nonlocal done
        done += 1
        return {"validation_score": float(done == epoch)}

    return validate
