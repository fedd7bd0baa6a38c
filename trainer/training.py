"""The training loop: whole stays in, the weights of the best epoch out."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import dropout

from streamer.adapters.cohort import Cohort, Progress
from streamer.core.features import N_FEATURES
from streamer.core.model import Scaling
from streamer.core.network import HORIZONS, Architecture, Network
from trainer.batches import Batch, by_length, shuffled
from trainer.checkpoint import Checkpoint, Epoch, Run
from trainer.objective import Objective
from trainer.ranking import auprc, auroc
from trainer.recipe import Recipe
from trainer.split import Split
from trainer.thresholds import utility_curve

EPOCHS_PER_SEED: Final = 10_000  # no run has more: two seeds never share an epoch's random numbers


@dataclass(frozen=True, slots=True)
class Material:
    """What training sees; R rows, F features.

    Attributes:
        cohort: the stays.
        built: (R, F) raw features.
        scaling: fitted on the training patients.
        split: which stay is on which side.
    """

    cohort: Cohort
    built: NDArray[np.float32]
    scaling: Scaling
    split: Split


def train(
    material: Material,
    recipe: Recipe,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    report: Callable[[Epoch], None] | None = None,
) -> Run:
    """Trains until the validation score gets no better, or for ``recipe.epochs``.

    Args:
        material: data; test stays are not looked at.
        recipe: knobs.
        checkpoint: where the run is kept after each epoch; what it holds is gone on from.
        progress: called with steps done and steps in all.
        report: called with the figures of each epoch.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cohort, stays = material.cohort, material.split.train
    torch.manual_seed(recipe.seed * EPOCHS_PER_SEED)
    size = Architecture(N_FEATURES, recipe.hidden, recipe.layers, recipe.dropout)
    network = Network(size).to(device)
    objective = Objective(cohort, recipe, device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    run = checkpoint.load(device) if checkpoint is not None else None
    if run is None:
        weights = network.state_dict()
        run = Run(weights, copy.deepcopy(weights), optimizer.state_dict())
    else:
        network.load_state_dict(run.weights)
        optimizer.load_state_dict(run.optimizer)
    judge = copy.deepcopy(network)  # carries the running average of the weights
    steps_in_epoch = sum(1 for _ in shuffled(cohort, stays, recipe.batch_stays, _draws(recipe, 0)))
    total = steps_in_epoch * recipe.epochs
    hours_in_batch = float(cohort.lengths[stays].sum()) / steps_in_epoch

    while not _finished(run, recipe):
        epoch, started = len(run.history) + 1, time.monotonic()
        # Random numbers follow from seed and epoch: going on needs no state of a generator.
        torch.manual_seed(recipe.seed * EPOCHS_PER_SEED + epoch)
        network.train()
        losses = []
        for batch in shuffled(cohort, stays, recipe.batch_stays, _draws(recipe, epoch)):
            rate = recipe.learning_rate * _schedule(run.steps, recipe.warm_up_steps, total)
            for group in optimizer.param_groups:
                group["lr"] = rate
            logits = _logits(network, material, batch, recipe.input_dropout)  # (hours, 3)
            loss = objective.loss(logits, batch.rows[batch.real], hours_in_batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no type
            torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
            optimizer.step()
            run.steps += 1
            # At first the average is short, or it would remember where the weights began.
            keep = min(recipe.average, run.steps / (run.steps + 10))
            for name, value in network.state_dict().items():
                run.average[name].lerp_(value, 1 - keep)
            losses.append(loss.item())
            if progress is not None:
                progress(run.steps, total)

        judge.load_state_dict(run.average)
        figures = _validate(judge, material, objective)
        run.history.append(
            {
                "epoch": epoch,
                "train_loss": float(np.mean(losses)),
                **figures,
                "seconds": round(time.monotonic() - started, 1),
            }
        )
        if figures["validation_score"] >= max(past["validation_score"] for past in run.history):
            run.best, run.best_epoch = copy.deepcopy(run.average), epoch
        run.weights, run.optimizer = network.state_dict(), optimizer.state_dict()
        if checkpoint is not None:
            checkpoint.save(run)
        if report is not None:
            report(run.history[-1])
    return run


def _draws(recipe: Recipe, epoch: int) -> np.random.Generator:
    return np.random.default_rng([recipe.seed, epoch])


def _schedule(step: int, warm_up: int, total: int) -> float:
    """Rises linearly, then falls as half a cosine to nothing at the last step."""
    warm_up = min(warm_up, total // 10 + 1)  # a small cohort has few steps in all
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / total))


def _finished(run: Run, recipe: Recipe) -> bool:
    epochs = len(run.history)
    return epochs >= recipe.epochs or epochs - run.best_epoch >= recipe.patience


def _logits(network: Network, material: Material, batch: Batch, drop: float) -> Tensor:
    """Runs a batch of whole stays and returns the logits ``(hours, 3)`` of its real hours.

    What is dropped of the features is dropped for the whole of a stay. The network then has to do
    without a variable, as for a patient of whom it is never measured; a feature that is missing for
    one hour it could remember from the hour before.
    """
    size = network.architecture
    device = network.bias.device
    x = torch.from_numpy(material.scaling.apply(material.built[batch.rows])).to(device)  # (T, B, F)
    start = x.new_zeros(size.layers, x.shape[1], size.hidden)
    kept = dropout(torch.ones_like(x[:1]), drop, training=drop > 0)  # (1, B, F)
    logits: Tensor = network(x * kept, start, start)[0]  # (T, B, 3)
    return logits[torch.from_numpy(batch.real).to(device)]


def _validate(judge: Network, material: Material, objective: Objective) -> Epoch:
    """Loss, ranking and best utility on the validation patients.

    The score that decides is utility and AUROC together. The loss turns first, while the ranking
    of hours still improves; utility alone goes on rising when the ranking has begun to overfit.
    """
    stays = material.split.validation
    side = material.cohort.take(stays)
    logits = torch.empty(material.cohort.n_rows, len(HORIZONS), device=judge.bias.device)
    judge.eval()
    with torch.inference_mode():
        for batch in by_length(material.cohort, stays):
            logits[batch.rows[batch.real]] = _logits(judge, material, batch, 0.0)
        rows = np.concatenate(
            [np.arange(s.start, s.stop) for s in map(material.cohort.rows, stays)]
        )
        loss = objective.loss(logits[rows], rows).item()
    first = logits[rows, 0].double().cpu().numpy()
    ranking = auroc(side.label, first)
    utility = float(utility_curve(side.label, side.starts, first)[1].max())
    return {
        "validation_loss": loss,
        "validation_auroc": ranking,
        "validation_auprc": auprc(side.label, first),
        "validation_utility": utility,
        "validation_score": utility + ranking,
    }
