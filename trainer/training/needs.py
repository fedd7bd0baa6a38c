"""Needs of a fit, said before it begins: memory and time, by the hours of stays and the knobs.

The greatest need is either the trees', whose table of windows is the widest, or the encoded hours'
that the LSTM goes over. `bench/fit_costs.py` measures both, beside what is said here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from streamer.core.features import N_FEATURES
from streamer.core.variables import N_VARIABLES
from trainer.data.windows import WINDOW_NAMES
from trainer.training.recipe import Recipe

BASE_GB: Final = 0.7
"""Python and its libraries, of which PyTorch is the largest."""

_FLOAT: Final = 4
_STAY_BYTES: Final = N_VARIABLES * _FLOAT + 30  # values, hour, label, and to which stay it belongs
_BUILT_BYTES: Final = N_FEATURES * _FLOAT
_BIN: Final = 1  # LightGBM keeps a feature as the number of its bin


@dataclass(frozen=True, slots=True)
class Needs:
    """Needs of a fit.

    Attributes:
        memory_gb: the most at one time.
        minutes: on two cores like those of the figures; more cores take less.
    """

    memory_gb: float
    minutes: float

    def line(self) -> str:
        """In words, with what the machine has where that is too little."""
        has_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        short = "" if self.memory_gb < has_gb else f", and this machine has {has_gb:.0f} GB in all"
        return (
            f"needs some {self.memory_gb:.1f} GB of memory{short}, and some "
            f"{max(1, round(self.minutes))} min on two cores"
        )


_SECONDS: Final = {"features": 25.0, "round": 0.3, "reading": 25.0, "epoch": 25.0, "forecast": 30.0}
"""Of a million hours: of all of them for features, of training hours for a round of trees (of five
sets), for an epoch of the encoder, of the LSTM and of the forecast. Two cores of an AMD EPYC."""


def needs_of(n_hours: int, recipe: Recipe) -> Needs:
    """The needs of a fit.

    Args:
        n_hours: of all stays.
        recipe: its knobs; the sides are taken to have its fractions of the hours.
    """
    train, validation, _ = recipe.fractions
    width = len(WINDOW_NAMES) if recipe.teacher_windows else N_FEATURES
    # The table, its bins, and those of the folds that a set is fitted on.
    trees = train * width * (_FLOAT + _BIN * (2 - 1 / recipe.teacher_folds))
    encoded = (train + validation) * recipe.encoder * _FLOAT
    most = max(trees if recipe.teacher_share else 0.0, encoded)
    memory_gb = BASE_GB + n_hours * (_STAY_BYTES + _BUILT_BYTES + most) / 1e9

    rounds = recipe.teacher_rounds * (1 + recipe.teacher_windows) * bool(recipe.teacher_share)
    seconds = _SECONDS["features"] + train * (
        rounds * recipe.teacher_folds * _SECONDS["round"]
        + recipe.reading_epochs * _SECONDS["reading"]
        + recipe.epochs * _SECONDS["epoch"]
        + recipe.forecast_epochs * _SECONDS["forecast"]
    )
    return Needs(memory_gb, n_hours / 1e6 * seconds / 60)
