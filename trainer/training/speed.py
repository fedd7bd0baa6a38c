"""Speed of this machine, now, at what a fit does most: trees on a table, steps of the network.

Both are timed on invented numbers, in half a second, with the threads that the fit will have.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from streamer.core.features import N_FEATURES
from trainer.training.loop import architecture_of
from trainer.training.recipe import Recipe
from trainer.training.torch_network import TorchNetwork
from trainer.training.tree_settings import HOURLY_SETTINGS

ROWS: Final = 20_000
WIDTH: Final = 128
"""A table of 10 MB: beyond the cache, as that of a fit."""

_TREES: Final = 4
_STEPS: Final = 6
_TIMES: Final = 2  # the quicker one counts: the first also loads code


@dataclass(frozen=True, slots=True)
class Speed:
    """What was timed.

    Attributes:
        cell_s: seconds of a tree for each cell of its table; 0 where a recipe has no trees.
        hour_s: seconds of the encoder's training for each hour.
    """

    cell_s: float
    hour_s: float


def timed(recipe: Recipe) -> Speed:
    """Times both for a recipe."""
    return Speed(_trees() if recipe.teacher_share else 0.0, _steps(recipe))


def _trees() -> float:
    import lightgbm  # noqa: PLC0415 - an extra, and slow to load

    draws = np.random.default_rng(0)
    table = draws.random((ROWS, WIDTH), np.float32)
    settings = {**HOURLY_SETTINGS, "force_row_wise": True, "num_threads": torch.get_num_threads()}
    data = lightgbm.Dataset(table, draws.random(ROWS) < table[:, 0] / 10, params=settings)
    data.construct()
    least = np.inf
    for _ in range(_TIMES):
        began = time.perf_counter()
        lightgbm.train(settings, data, _TREES)
        least = min(least, time.perf_counter() - began)
    return least / (_TREES * ROWS * WIDTH)


def _steps(recipe: Recipe) -> float:
    with torch.random.fork_rng():  # the fit's own draws follow from its seed alone
        network = TorchNetwork(architecture_of(recipe))
        x = torch.randn(recipe.batch_hours, N_FEATURES)
    least = np.inf
    for _ in range(_TIMES):
        began = time.perf_counter()
        for _ in range(_STEPS):
            network.glance(network.encode(x)).square().mean().backward()  # type: ignore[no-untyped-call]  # torch gives it no type
        least = min(least, time.perf_counter() - began)
    return least / (_STEPS * recipe.batch_hours)
