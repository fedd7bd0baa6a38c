"""The training loop: whole stays in, the weights of the best epoch out."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import torch
from torch import Tensor

from streamer.core.features import features_of
from streamer.core.lstm_network import HORIZONS, Architecture
from streamer.core.variables import BUILT_IN, VariableTable
from streamer.datasets.cohort import Progress
from trainer.data.batches import Batch, by_length, shuffled
from trainer.data.dataset import Material
from trainer.data.labels import is_of_stay
from trainer.decisions.thresholds import best_utility
from trainer.metrics.ranking import auprc, auroc
from trainer.training.checkpoint import Checkpoint, Epoch, Run
from trainer.training.device import training_device
from trainer.training.encoder import FrozenHours, train_encoder
from trainer.training.loss import Objective
from trainer.training.optimizer import AdamW, optimizer_step, rate_at
from trainer.training.piecewise import choose_piecewise_encoding
from trainer.training.recipe import Recipe
from trainer.training.teacher import SoftLabels
from trainer.training.torch_network import TorchNetwork

Validate: TypeAlias = Callable[[TorchNetwork, Material, Objective], Epoch]
"""Figures of a network on the validation patients; ``validation_score`` decides which is kept."""

EPOCHS_PER_SEED: Final = 10_000  # no run has more: two seeds never share an epoch's random numbers


def architecture_of(recipe: Recipe, variables: VariableTable = BUILT_IN) -> Architecture:
    """The sizes of the network that a recipe makes for stays of these variables."""
    n_features = len(features_of(variables))
    return Architecture(
        n_features,
        recipe.hidden,
        recipe.layers,
        recipe.dropout,
        recipe.encoder,
        recipe.encoder_dropout,
        min(recipe.binned, n_features),
        recipe.bins,
    )


def trained(run: Run, recipe: Recipe, variables: VariableTable = BUILT_IN) -> TorchNetwork:
    """The network of the best epoch of a run on stays of these variables, on the CPU."""
    network = TorchNetwork(architecture_of(recipe, variables))
    network.load_state_dict({name: value.cpu() for name, value in run.best.items()})
    return network


def train(
    material: Material,
    recipe: Recipe,
    soft_labels: SoftLabels,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    report: Callable[[Epoch], None] | None = None,
    validate: Validate | None = None,
) -> Run:
    """Trains the encoder on single hours, then the LSTM on whole stays.

    The second part goes on until the validation score gets no better, or for ``recipe.epochs``. A
    network to go on from is trained further in both parts, by its own scaling and pieces.

    Args:
        material: data; test stays are not looked at.
        recipe: knobs.
        soft_labels: the teacher's risks of the training patients.
        checkpoint: where the run is kept after each epoch; what it holds is gone on from.
        progress: called with steps done and steps in all, of the encoder's and of the LSTM's.
        report: called with the figures of each epoch over whole stays.
        validate: for labels that are no sepsis labels; by utility and AUROC where absent.
    """
    device = training_device()
    cohort, stays = material.cohort, material.split.train
    torch.manual_seed(recipe.seed * EPOCHS_PER_SEED)
    objective = Objective(cohort, recipe, soft_labels, device)
    network = (
        _new_network(material, recipe, soft_labels, objective)
        if material.start is None
        else TorchNetwork.of(material.start).requires_grad_(True)
    ).to(device)
    run = checkpoint.load(device) if checkpoint is not None else None
    if run is None:
        train_encoder(network, material, objective, recipe, progress)
    optimizer = _optimizer_of_lstm(network, recipe, heads=material.start is not None)
    if run is None:
        if material.start is None:
            torch.nn.init.zeros_(network.memory_head)  # the LSTM has nothing to add yet
        weights = network.state_dict()
        run = Run(weights, copy.deepcopy(weights), optimizer.state_dict())
    else:
        network.load_state_dict(run.weights)
        optimizer.load_state_dict(run.optimizer)
    hours = FrozenHours(network, material, np.concatenate([stays, material.split.validation]))
    predict = copy.deepcopy(network)  # carries the running average of the weights
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
            rate = recipe.memory_rate * rate_at(run.steps, recipe.warm_up_steps, total)
            logits = _logits(network, hours, batch)  # (hours, 3)
            rows = batch.rows[batch.real]
            loss = objective.loss(logits, rows, hours_in_batch)
            against_labels = objective.label_loss(logits.detach(), rows, hours_in_batch)
            optimizer_step(network, optimizer, run.average, loss, rate, run.steps, recipe)
            run.steps += 1
            losses.append((loss.item(), against_labels.item()))
            if progress is not None:
                progress(run.steps, total)

        predict.load_state_dict(run.average)
        figures = (
            _validate(predict, material, objective, hours)
            if validate is None
            else validate(predict, material, objective)
        )
        run.history.append(
            {
                "epoch": epoch,
                "train_loss": float(np.mean([loss for loss, _ in losses])),
                "train_label_loss": float(np.mean([loss for _, loss in losses])),
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


def _optimizer_of_lstm(network: TorchNetwork, recipe: Recipe, *, heads: bool) -> AdamW:
    """Leaves the LSTM and its head to be trained, with ``heads`` the encoder's as well."""
    learns = [network.memory_head, *network.lstm.parameters()]
    if heads:
        learns += [network.glance_head, network.bias]
    network.requires_grad_(False)
    for parameter in learns:
        parameter.requires_grad_(True)
    return AdamW(learns, recipe.weight_decay)


def _draws(recipe: Recipe, epoch: int) -> np.random.Generator:
    return np.random.default_rng([recipe.seed, epoch])


def _finished(run: Run, recipe: Recipe) -> bool:
    epochs = len(run.history)
    return epochs >= recipe.epochs or epochs - run.best_epoch >= recipe.patience


def _new_network(
    material: Material, recipe: Recipe, soft_labels: SoftLabels, objective: Objective
) -> TorchNetwork:
    rows = material.rows_of(material.split.train)
    network = TorchNetwork(architecture_of(recipe, material.cohort.variables))
    columns, edges = choose_piecewise_encoding(
        material.built,
        material.scaling,
        rows,
        soft_labels.gain,
        recipe.binned,
        recipe.bins,
    )
    network.binned.copy_(torch.from_numpy(columns))
    network.edges.copy_(torch.from_numpy(edges))
    with torch.no_grad():
        network.bias.copy_(objective.log_odds(rows))
    return network


def _logits(network: TorchNetwork, hours: FrozenHours, batch: Batch) -> Tensor:
    """Runs a batch of whole stays and returns the logits ``(hours, 3)`` of its real hours."""
    size = network.architecture
    read = network.encode_rest(hours.of(batch.rows))  # (T, B, encoder)
    start = read.new_zeros(size.layers, read.shape[1], size.hidden)
    logits = network.run(read, start, start)[0]  # (T, B, 3)
    return logits[torch.from_numpy(batch.real).to(logits.device)]


def _validate(
    network: TorchNetwork, material: Material, objective: Objective, hours: FrozenHours
) -> Epoch:
    """Loss, ranking and best utility on the validation patients.

    The score that decides is utility and AUROC together. The loss turns first, while the ranking
    of hours still improves; utility alone goes on rising when the ranking has begun to overfit.
    The outcome of a whole stay has no utility by the hour: AUROC alone decides.
    """
    stays = material.split.validation
    side = material.cohort.take(stays)
    logits = torch.empty(material.cohort.n_rows, len(HORIZONS), device=network.bias.device)
    network.eval()
    with torch.inference_mode():
        for batch in by_length(material.cohort, stays):
            logits[batch.rows[batch.real]] = _logits(network, hours, batch)
        rows = material.rows_of(stays)
        loss = objective.loss(logits[rows], rows).item()
    first = logits[rows, 0].double().cpu().numpy()
    ranking = auroc(side.label, first)
    utility = best_utility(side.label, side.starts, first)
    return {
        "validation_loss": loss,
        "validation_auroc": ranking,
        "validation_auprc": auprc(side.label, first),
        "validation_utility": utility,
        "validation_score": ranking if is_of_stay(material.cohort) else utility + ranking,
    }
