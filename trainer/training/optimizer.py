"""One step of training, the same for single hours and for whole stays."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.optim import Optimizer

from trainer.training.recipe import Recipe


def rate_at(step: int, warm_up: int, total: int) -> float:
    """The share of the peak rate: rises linearly, then falls as half a cosine to 0.

    >>> [round(rate_at(step, 2, 100), 2) for step in (0, 1, 50, 99)]
    [0.5, 1.0, 0.5, 0.0]
    """
    warm_up = min(warm_up, total // 10 + 1)  # a small cohort has few steps in all
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / total))


def optimizer_step(
    network: nn.Module,
    optimizer: Optimizer,
    average: dict[str, Tensor],
    loss: Tensor,
    rate: float,
    step: int,
    recipe: Recipe,
) -> None:
    """Moves the weights down the gradient of ``loss``, and their running average after them.

    Args:
        network: changed in place.
        optimizer: of the weights that are trained.
        average: of the network's state, by name; changed in place.
        loss: of this batch.
        rate: the learning rate.
        step: number of steps before this one.
        recipe: knobs.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no type
    nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
    optimizer.step()
    # At first the average is short, or it would keep the initial weights.
    keep = min(recipe.average, (step + 1) / (step + 11))
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - keep)
