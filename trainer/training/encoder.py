"""Training of the encoder, the first part of a run: single hours in random order.

A batch of whole stays has few patients and hours that resemble each other; a batch of single hours
has a thousand patients. The LSTM is not part of this: it needs the order of the hours.

Only the first head trains the encoder; the others use it as it is. The teacher has soft labels for
the first alone, and from the bare labels of the longer horizons the encoder learns patients by
heart: the first head lost 0.004 AUROC by them on validation patients, and they themselves were no
better.
"""

from __future__ import annotations

import copy
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import dropout

from streamer.datasets.cohort import Progress
from trainer.data.dataset import Material
from trainer.training.loss import Objective
from trainer.training.optimizer import AdamW, optimizer_step, rate_at
from trainer.training.recipe import Recipe
from trainer.training.torch_network import TorchNetwork

ROWS_AT_ONCE: Final = 1 << 16
"""Some 150 MB of features and their pieces."""


class FrozenHours:
    """The first layer of a trained encoder for the hours that training goes over again and again.

    The encoder is not changed any more, so this part of it is the same in every epoch; 128 units of
    a million hours are 0.5 GB.

    Args:
        network: gives the layer.
        material: data.
        stays: whose hours are needed.
    """

    def __init__(self, network: TorchNetwork, material: Material, stays: NDArray[np.int64]) -> None:
        rows = material.rows_of(stays)
        self._position = np.full(material.cohort.n_rows, -1)
        self._position[rows] = np.arange(len(rows))
        self._device = network.bias.device
        self._first = torch.empty(len(rows), network.architecture.encoder)
        with torch.no_grad():
            for begin in range(0, len(rows), ROWS_AT_ONCE):
                some = rows[begin : begin + ROWS_AT_ONCE]
                x = torch.from_numpy(material.scaling.apply(material.built[some]))
                first = network.encode_first(x.to(self._device))
                self._first[begin : begin + len(some)] = first.cpu()

    def of(self, rows: NDArray[np.int64]) -> Tensor:
        """``(..., encoder)`` of these rows."""
        return self._first[torch.from_numpy(self._position[rows])].to(self._device)


def train_encoder(
    network: TorchNetwork,
    material: Material,
    objective: Objective,
    recipe: Recipe,
    progress: Progress | None = None,
) -> None:
    """Trains the encoder and its head, and leaves the average of the last weights in the network.

    Args:
        network: changed in place.
        material: data; only training patients are looked at.
        objective: the loss.
        recipe: knobs.
        progress: called with steps done and steps in all.
    """
    device = network.bias.device
    learns = [p for n, p in network.named_parameters() if not n.startswith(("lstm", "memory_head"))]
    optimizer = AdamW(learns, recipe.weight_decay)
    average = copy.deepcopy(network.state_dict())
    rows = material.rows_of(material.split.train)
    n_batches = -(-len(rows) // recipe.batch_hours)
    total = n_batches * recipe.reading_epochs
    network.train()
    step = 0
    for epoch in range(recipe.reading_epochs):
        order = np.random.default_rng([recipe.seed, epoch]).permutation(rows)
        for batch in np.array_split(order, n_batches):
            x = torch.from_numpy(material.scaling.apply(material.built[batch])).to(device)
            read = network.encode(dropout(x, recipe.input_dropout))
            logits = torch.cat(
                [network.glance(read)[:, :1], network.glance(read.detach())[:, 1:]], 1
            )
            rate = recipe.learning_rate * rate_at(step, recipe.warm_up_steps, total)
            loss = objective.loss(logits, batch)
            optimizer_step(network, optimizer, average, loss, rate, step, recipe)
            step += 1
            if progress is not None:
                progress(step, total)
    network.load_state_dict(average)
