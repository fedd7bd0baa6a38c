"""Needs of a fit, said before it begins: memory, by the hours of stays and the knobs.

The greatest need is either the trees', whose table of windows is the widest, or the encoded hours'
that the LSTM goes over. `bench/fit_costs.py` measures both, beside what is said here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from streamer.core.features import features_of
from streamer.core.variables import BUILT_IN, VariableTable
from trainer.data.windows import window_names
from trainer.training.recipe import Recipe

BASE_GB: Final = 0.85
"""Python and its libraries, of which PyTorch is the largest."""

_FLOAT: Final = 4
_STAY_BYTES: Final = 30  # hour, label, and to which stay it belongs
_TREE_BYTES: Final = 18
"""Of a cell of the trees' table: its float, and what LightGBM makes of it. So 15,000 and 150,000
hours need the 0.96 and 2.00 GB that were measured."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Needs of a fit.

    Attributes:
        memory_gb: the most at one time.
    """

    memory_gb: float

    def line(self) -> str:
        """In words, with what the machine has where that is too little."""
        has_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        short = "" if self.memory_gb < has_gb else f", and this machine has {has_gb:.0f} GB in all"
        return f"needs some {self.memory_gb:.1f} GB of memory{short}"


def needs_of(n_hours: int, recipe: Recipe, variables: VariableTable = BUILT_IN) -> Needs:
    """The needs of a fit.

    Args:
        n_hours: of all stays.
        recipe: its knobs; the sides are taken to have its fractions of the hours.
        variables: those of the stays.
    """
    train, validation, _ = recipe.fractions
    n_features = len(features_of(variables))
    width = len(window_names(variables)) if recipe.teacher_windows else n_features
    trees = train * width * _TREE_BYTES
    encoded = (train + validation) * recipe.encoder * _FLOAT
    most = max(trees if recipe.teacher_share else 0.0, encoded)
    hour = _STAY_BYTES + (len(variables) + n_features) * _FLOAT
    memory_gb = BASE_GB + n_hours * (hour + most) / 1e9
    return Needs(memory_gb)
