"""Training and scoring of recurrent networks on whole stays, the same for all cells."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.compare.models.cells import Recurrent
from trainer.compare.models.inputs import Reader
from trainer.compare.protocol.family import Task
from trainer.data.batches import by_length, shuffled
from trainer.data.dataset import Material
from trainer.decisions.thresholds import best_utility
from trainer.metrics.ranking import auroc
from trainer.training.loss import Objective
from trainer.training.optimizer import AdamW, optimizer_step, rate_at
from trainer.training.recipe import Recipe
from trainer.training.teacher import no_soft_labels


@dataclass(frozen=True, slots=True)
class FittedSequence:
    """A recurrent network that was trained.

    Attributes:
        material: the cohort that can be scored.
        read: reads the inputs of the network.
        network: trained.
        state_bytes: bytes that must be kept of a stay from one hour to the next.
    """

    material: Material
    read: Reader
    network: Recurrent
    state_bytes: int

    def scores(self, stays: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R,) log odds of the 6 h label; NaN in the hours of other stays.

        Args:
            stays: which ones of the cohort to score.
        """
        cohort = self.material.cohort
        scores = np.full(cohort.n_rows, np.nan)
        self.network.eval()
        with torch.inference_mode():
            for batch in by_length(cohort, stays):
                logits = self.network(self.read(self.material, batch.rows))[0][..., 0]  # (T, B)
                scores[batch.rows[batch.real]] = logits.numpy()[batch.real]
        return scores


def train(
    task: Task,
    read: Reader,
    build: Callable[[], Recurrent],
    recipe: Recipe,
    state_bytes: int,
    progress: Progress | None = None,
) -> FittedSequence:
    """Trains on whole stays, without a teacher; the weights of the best epoch are kept.

    An epoch is judged by the running average of the weights, by utility and AUROC together on
    validation patients, as the training of the shipped network judges its own.

    Args:
        task: the data; test patients are not looked at.
        read: reads the inputs of the network.
        build: makes the network, with weights drawn from torch's generator.
        recipe: knobs; ``learning_rate`` is the peak of the rate.
        state_bytes: bytes that must be kept of a stay.
        progress: called with steps done and steps in all.
    """
    torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)
    material = task.material
    cohort, stays = material.cohort, material.split.train
    soft_labels = no_soft_labels(cohort.n_rows, material.built.shape[1])
    objective = Objective(cohort, recipe, soft_labels, torch.device("cpu"))
    network = build()
    with torch.no_grad():
        network.heads.bias.copy_(objective.log_odds(material.rows_of(stays)))
    optimizer = AdamW(network.parameters(), recipe.weight_decay)
    average = copy.deepcopy(network.state_dict())
    judged = FittedSequence(material, read, copy.deepcopy(network), state_bytes)
    best, best_score = copy.deepcopy(average), -np.inf
    steps_in_epoch = sum(
        1 for _ in shuffled(cohort, stays, recipe.batch_stays, np.random.default_rng(0))
    )
    hours_in_batch = float(cohort.lengths[stays].sum()) / steps_in_epoch
    total = steps_in_epoch * recipe.epochs
    step = 0
    for epoch in range(recipe.epochs):
        draws = np.random.default_rng([task.seed, epoch])
        network.train()
        for batch in shuffled(cohort, stays, recipe.batch_stays, draws):
            logits = network(read(material, batch.rows))[0][torch.from_numpy(batch.real)]
            loss = objective.loss(logits, batch.rows[batch.real], hours_in_batch)
            rate = recipe.learning_rate * rate_at(step, recipe.warm_up_steps, total)
            optimizer_step(network, optimizer, average, loss, rate, step, recipe)
            step += 1
            if progress is not None:
                progress(step, total)
        judged.network.load_state_dict(average)
        score = _validation_score(judged)
        if score >= best_score:
            best, best_score = copy.deepcopy(average), score
    judged.network.load_state_dict(best)
    return judged


def _validation_score(fitted: FittedSequence) -> float:
    material = fitted.material
    stays = material.split.validation
    side = material.cohort.take(stays)
    scores = fitted.scores(stays)[material.rows_of(stays)]
    return best_utility(side.label, side.starts, scores) + auroc(side.label, scores)
