"""The loss that training minimises: cross entropy of the risks of three horizons, hour by hour."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from streamer.datasets.cohort import Cohort
from trainer.data.labels import horizon_labels, horizons_of
from trainer.metrics.utility import hour_weights
from trainer.training.recipe import Recipe
from trainer.training.teacher import SoftLabels


class Objective:
    """Cross entropy of the three heads; an hour of the first is weighted by its utility.

    Stays of one length share a batch, so batches hold very different numbers of hours. In training
    the sum over a batch is therefore divided by the same number for all: an hour counts as much in
    a batch of long stays as in one of short stays.

    The first head learns partly from the label and partly from the teacher's risk of the same hour;
    where there is no such risk, from the label alone.
    """

    def __init__(
        self, cohort: Cohort, recipe: Recipe, soft_labels: SoftLabels, device: torch.device
    ) -> None:
        weight = hour_weights(cohort.label, cohort.starts, recipe.utility_weight)
        targets = horizon_labels(cohort.label, cohort.starts, horizons_of(cohort)).astype(
            np.float32
        )
        self._labels = torch.from_numpy(targets.copy()).to(device)  # (R, 3)
        share = np.where(np.isnan(soft_labels.risk), 0, recipe.teacher_share).astype(np.float32)
        targets[:, 0] += share * (np.nan_to_num(soft_labels.risk) - targets[:, 0])
        self._weight = torch.from_numpy(weight).to(device)  # (R,)
        self._targets = torch.from_numpy(targets).to(device)  # (R, 3)
        self._heads = torch.tensor(recipe.head_weights, device=device)

    def log_odds(self, rows: NDArray[np.int64]) -> Tensor:
        """``(3,)`` the constant logits that fit these rows best.

        Logits that begin there need not first be moved by all the weights before them. A head
        without a positive row begins where one row in a million would be.
        """
        chosen = torch.from_numpy(rows).to(self._targets.device)
        targets, weight = self._targets[chosen], self._weight[chosen]
        first = (targets[:, 0] * weight).sum() / weight.sum()
        share = torch.stack([first, targets[:, 1].mean(), targets[:, 2].mean()])
        return torch.logit(share, eps=1e-6)

    def loss(self, logits: Tensor, rows: NDArray[np.int64], n_hours: float | None = None) -> Tensor:
        """The sum over hours divided by ``n_hours``, summed over heads.

        Args:
            logits: ``(n, 3)``.
            rows: ``(n,)`` the row of the cohort that each belongs to.
            n_hours: the hours of a batch of average size; ``n`` where absent, so a mean.
        """
        return self._loss(self._targets, logits, rows, n_hours)

    def label_loss(self, logits: Tensor, rows: NDArray[np.int64], n_hours: float) -> Tensor:
        """The same against the labels alone, as validation patients are measured."""
        return self._loss(self._labels, logits, rows, n_hours)

    def _loss(
        self, targets: Tensor, logits: Tensor, rows: NDArray[np.int64], n_hours: float | None
    ) -> Tensor:
        chosen = torch.from_numpy(rows).to(logits.device)
        wrong = binary_cross_entropy_with_logits(logits, targets[chosen], reduction="none")
        first = (wrong[:, 0] * self._weight[chosen]).sum()
        heads = torch.stack([first, wrong[:, 1].sum(), wrong[:, 2].sum()])
        return (heads * self._heads).sum() / (n_hours or len(rows))
