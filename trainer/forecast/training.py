"""Training of the forecast head on a finished network, which is not changed."""

from __future__ import annotations

import copy
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import dropout

from streamer.core.forecast import FORECAST_VITALS, HOURS, LEVELS, ForecastHead, HeadSize
from streamer.core.lstm_network import Network
from streamer.datasets.cohort import Progress
from trainer.data.dataset import Material
from trainer.forecast.head import TorchForecastHead
from trainer.forecast.hours import Floats, Future, Rows, last_known, outputs
from trainer.training.optimizer import AdamW, optimizer_step, rate_at
from trainer.training.recipe import Recipe

COVERAGE: Final = LEVELS[-1] - LEVELS[0]
LEAST_HOURS: Final = 200
"""With fewer validation hours the share within an interval is too uncertain to correct it by."""

_SCALE_HOUR: Final = HOURS.index(3)
_VALIDATION_ROWS: Final = 16_384  # a block of them makes 6 MB of quantiles
_SEED_APART: Final = 1_000_003  # draws of other numbers than the encoder's under the same seed


def train_head(
    network: Network,
    material: Material,
    recipe: Recipe,
    progress: Progress | None = None,
    start: ForecastHead | None = None,
) -> ForecastHead:
    """Trains the head by the pinball loss (Koenker and Bassett 1978) on training patients.

    The weights of the epoch that is best on validation patients are kept, those of a start among
    them; then the intervals are widened or narrowed to hold four of five values of validation
    patients.

    Args:
        network: trained; it is not changed.
        material: data; test stays are not looked at.
        recipe: knobs.
        progress: called with steps done and steps in all.
        start: a head to go on from; a new one is made where absent.
    """
    rows = material.rows_of(material.split.train)
    validation = material.rows_of(material.split.validation)
    future, built, scaling = Future(material.cohort), material.built, material.scaling
    fitted_on = np.concatenate([material.split.train, material.split.validation])
    out = outputs(network, scaling, material.dataset(fitted_on))
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed + _SEED_APART)
        if start is None:
            size = HeadSize(built.shape[1], out.shape[1], recipe.forecast_units)
            head = TorchForecastHead(size)
            head.scale.copy_(torch.from_numpy(_scale(built, future, rows)))
        else:
            head = TorchForecastHead.of(start)
        stretch = head.stretch.clone()
        torch.nn.init.ones_(head.stretch)
        n_batches = -(-len(rows) // recipe.batch_hours)
        total, step = n_batches * recipe.forecast_epochs, 0
        optimizer = AdamW(head.parameters(), recipe.weight_decay)
        average = copy.deepcopy(head.state_dict())
        predict, best, least = copy.deepcopy(head), copy.deepcopy(average), np.inf
        if start is not None:
            least = pinball(*_predicted(head, material, future, out, validation)).item()
            head.train()
        for epoch in range(recipe.forecast_epochs):
            order = np.random.default_rng([recipe.seed, epoch]).permutation(rows)
            for batch in np.array_split(order, n_batches):
                x = torch.from_numpy(scaling.apply(built[batch]))
                quantiles = head(dropout(x, recipe.input_dropout), torch.from_numpy(out[batch]))
                target = _changes(head, built[batch], future.after(batch))
                rate = recipe.learning_rate * rate_at(step, recipe.warm_up_steps, total)
                optimizer_step(
                    head, optimizer, average, pinball(quantiles, target), rate, step, recipe
                )
                step += 1
                if progress is not None:
                    progress(step, total)
            predict.load_state_dict(average)
            quantiles, target = _predicted(predict, material, future, out, validation)
            loss = pinball(quantiles, target).item()
            if loss < least:
                best, least = copy.deepcopy(average), loss
    head.load_state_dict(best)
    quantiles, target = _predicted(head, material, future, out, validation)
    head.stretch.copy_(_stretch(quantiles, target, stretch))
    return head.in_numpy()


def pinball(quantiles: Tensor, target: Tensor) -> Tensor:
    """The mean over known targets of the pinball losses, summed over levels.

    Args:
        quantiles: ``(n, 5, 6, 3)``.
        target: ``(n, 5, 6)``, NaN where nothing was measured.
    """
    known = ~target.isnan()
    gap = target.nan_to_num()[..., None] - quantiles
    levels = quantiles.new_tensor(LEVELS)
    loss = torch.maximum(levels * gap, (levels - 1) * gap).sum(-1)
    return (loss * known).sum() / known.sum().clamp(min=1)


def _changes(head: TorchForecastHead, seen: Floats, after: Floats) -> Tensor:
    """The changes that came true ``(n, 5, 6)``, in units of the head's scale."""
    return torch.from_numpy(after - last_known(seen)[..., None]) / head.scale[:, None]


def _scale(built: Floats, future: Future, rows: Rows) -> Floats:
    """The standard deviation of the change over three hours; NaN where one was never measured."""
    changes = future.after(rows)[..., _SCALE_HOUR] - last_known(built)[rows]
    scale = np.full(len(FORECAST_VITALS), np.nan, np.float32)
    for vital, change in enumerate(changes.T):
        known = change[~np.isnan(change)]
        if len(known):
            scale[vital] = known.std() or 1.0
    return scale


def _predicted(
    head: TorchForecastHead, material: Material, future: Future, out: Floats, rows: Rows
) -> tuple[Tensor, Tensor]:
    """Quantiles ``(n, 5, 6, 3)`` and targets ``(n, 5, 6)`` of rows, in units of the scale."""
    quantiles, targets = [], []
    head.eval()
    with torch.inference_mode():
        for block in np.array_split(rows, -(-len(rows) // _VALIDATION_ROWS)):
            x = torch.from_numpy(material.scaling.apply(material.built[block]))
            quantiles.append(head(x, torch.from_numpy(out[block])))
            targets.append(_changes(head, material.built[block], future.after(block)))
    return torch.cat(quantiles), torch.cat(targets)


def _stretch(quantiles: Tensor, target: Tensor, before: Tensor) -> Tensor:
    """The factor of each interval ``(5, 6)`` by which it holds its share of the targets.

    Where too few values are known it is the one ``before``.
    """
    low, median, high = quantiles.unbind(-1)
    needed = torch.maximum((target - median) / (high - median), (median - target) / (median - low))
    stretch = before.clone()
    for cell in np.ndindex(*target.shape[1:]):  # vital sign, hour
        factors = needed[(slice(None), *cell)].numpy()
        known = factors[~np.isnan(factors)]
        if len(known) >= LEAST_HOURS:
            stretch[cell] = float(np.quantile(known, COVERAGE))
    return stretch
