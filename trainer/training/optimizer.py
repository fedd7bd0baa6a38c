"""One step of training, the same for single hours and for whole stays."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from trainer.training.recipe import Recipe

OptimizerState: TypeAlias = dict[str, dict[int, dict[str, Tensor]]]


class Optimizer(Protocol):
    """What moves parameters down their gradients."""

    def zero_grad(self) -> None:
        """Forgets the gradients."""

    def step(self, rate: float) -> None:
        """Moves each parameter that has a gradient."""


class AdamW:
    """AdamW by PyTorch's own function: the same bits as ``torch.optim.AdamW``.

    That class loads PyTorch's compiler, which nothing here uses: 900 modules, a second and 150 MB
    of each process that trains. Without ``weight_decay`` it is Adam.
    """

    def __init__(self, parameters: Iterable[Tensor], weight_decay: float = 0.0) -> None:
        self._parameters = list(parameters)
        self._weight_decay = weight_decay
        self._state: dict[int, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """See ``Optimizer``."""
        for parameter in self._parameters:
            parameter.grad = None

    def step(self, rate: float) -> None:
        """See ``Optimizer``."""
        moved = [(i, p, p.grad) for i, p in enumerate(self._parameters) if p.grad is not None]
        states = [self._state.get(i) or self._begin(i) for i, _, _ in moved]
        with torch.no_grad():
            adam(
                [parameter for _, parameter, _ in moved],
                [gradient for _, _, gradient in moved],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                max_exp_avg_sqs=[],
                state_steps=[state["step"] for state in states],
                decoupled_weight_decay=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=rate,
                weight_decay=self._weight_decay,
                eps=1e-8,
                maximize=False,
            )

    def state_dict(self) -> OptimizerState:
        """What going on needs, by the names of PyTorch's class."""
        return {"state": dict(self._state)}

    def load_state_dict(self, state: OptimizerState) -> None:
        """Goes on from a ``state_dict``, this class's or PyTorch's."""
        self._state = {
            i: {**of_parameter, "step": of_parameter["step"].cpu()}
            for i, of_parameter in state["state"].items()
        }

    def _begin(self, i: int) -> dict[str, Tensor]:
        zeros = torch.zeros_like(self._parameters[i])
        state = {"step": torch.tensor(0.0), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
        self._state[i] = state
        return state


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
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no type
    nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
    optimizer.step(rate)
    # At first the average is short, or it would keep the initial weights.
    keep = min(recipe.average, (step + 1) / (step + 11))
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - keep)
