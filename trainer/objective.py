"""What training minimises: how wrong the risks of three horizons are, hour by hour."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from streamer.adapters.cohort import Cohort
from trainer.labels import horizon_labels
from trainer.recipe import Recipe
from trainer.utility import utility_table


class Objective:
    """Cross entropy of the three heads; an hour of the first counts by what it is worth.

    Stays of one length share a batch, so batches hold very different numbers of hours. In training
    the loss of a batch is therefore a sum over one and the same number: an hour counts as much in
    a batch of long stays as in one of short stays.

    The weight of an hour is ``1 + utility_weight * |dU|``, with dU the official utility of saying
    yes less that of saying no. It only weighs: what the network estimates stays a probability, up
    to a shift that calibration undoes.
    """

    def __init__(self, cohort: Cohort, recipe: Recipe, device: torch.device) -> None:
        worth = utility_table(cohort.label, cohort.starts)  # (R, 2): of saying no, of saying yes
        weight = 1 + recipe.utility_weight * np.abs(worth[:, 1] - worth[:, 0])
        labels = horizon_labels(cohort.label, cohort.starts)
        self._weight = torch.from_numpy(weight.astype(np.float32)).to(device)  # (R,)
        self._labels = torch.from_numpy(labels.astype(np.float32)).to(device)  # (R, 3)
        self._heads = torch.tensor(recipe.head_weights, device=device)

    def loss(self, logits: Tensor, rows: NDArray[np.int64], n_hours: float | None = None) -> Tensor:
        """Sum over hours by ``n_hours``, summed over heads.

        Args:
            logits: ``(n, 3)``.
            rows: ``(n,)`` the row of the cohort that each belongs to.
            n_hours: the hours of a batch of average size; ``n`` where absent: a mean.
        """
        chosen = torch.from_numpy(rows).to(logits.device)
        wrong = binary_cross_entropy_with_logits(logits, self._labels[chosen], reduction="none")
        first = (wrong[:, 0] * self._weight[chosen]).sum()
        heads = torch.stack([first, wrong[:, 1].sum(), wrong[:, 2].sum()])
        return (heads * self._heads).sum() / (n_hours or len(rows))
