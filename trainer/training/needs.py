"""Needs of a fit, said before it begins: memory and time, by the hours of stays and the knobs.

Memory is most when LightGBM makes its own table of the wider view: the floats are there, what it
makes of them, and a sample of 200,000 rows by which it cuts the columns into bins. Time is a count of
the work times the speed of this machine, which was timed just before. `bench/fit_costs.py` prints both
beside what a fit took, and the factors below are fitted to it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from streamer.core.features import N_FEATURES
from streamer.core.variables import N_VARIABLES
from trainer.data.windows import WINDOW_NAMES
from trainer.training.recipe import Recipe
from trainer.training.speed import Speed

BASE_GB: Final = 0.85
"""Python and its libraries, of which PyTorch is the largest."""

_FLOAT: Final = 4
_STAY_BYTES: Final = N_VARIABLES * _FLOAT + 30  # values, hour, label, and to which stay it belongs
_BUILT_BYTES: Final = N_FEATURES * _FLOAT
_CELL_BYTES: Final = 6.2
"""Of a cell of the trees' table: its float, its bin, and the part of the bins that a set is of."""

_SAMPLED: Final = 200_000
_SAMPLED_BYTES: Final = 11.4
"""Rows that LightGBM draws to cut columns into bins, and what a cell of them takes: a double and the
number of its row, where it is not 0."""

USUAL: Final = Speed(1.5e-9, 1.2e-5)
"""Of two cores of a server; fits that are short on it are not timed."""

LEAST_SAID_S: Final = 60.0
SPREAD: Final = (0.7, 1.6)
"""Least and most of what a fit took, divided by the estimate."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Needs of a fit.

    Attributes:
        memory_gb: the most at one time.
        seconds: the estimate.
    """

    memory_gb: float
    seconds: float

    @property
    def is_long(self) -> bool:
        """Whether its time is worth a word."""
        return self.seconds >= LEAST_SAID_S

    def line(self) -> str:
        """In words, with what the machine has where that is too little."""
        has_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        short = "" if self.memory_gb < has_gb else f", and this machine has {has_gb:.0f} GB in all"
        return f"needs some {self.memory_gb:.1f} GB of memory{short}{self._time()}"

    def _time(self) -> str:
        if not self.is_long:
            return ""
        low, high = (self.seconds * factor / 60 for factor in SPREAD)
        if high < 100:
            return f"; takes some {low:.0f} to {max(high, low + 1):.0f} minutes at the speed of now"
        return f"; takes some {low / 60:.1f} to {high / 60:.1f} hours at the speed of now"


def memory_of(n_hours: int, recipe: Recipe) -> float:
    """The most memory of a fit, GB.

    Args:
        n_hours: of all stays.
        recipe: its knobs; the sides are taken to have its fractions of the hours.
    """
    train, validation, _ = recipe.fractions
    width = max(_widths(recipe), default=0)
    rows = train * n_hours
    trees = width * (rows * _CELL_BYTES + min(rows, _SAMPLED) * _SAMPLED_BYTES)
    encoded = (train + validation) * n_hours * recipe.encoder * _FLOAT
    return BASE_GB + (n_hours * (_STAY_BYTES + _BUILT_BYTES) + max(trees, encoded)) / 1e9


def needs_of(n_hours: int, recipe: Recipe, speed: Speed = USUAL) -> Needs:
    """The needs of a fit; arguments as ``memory_of``.

    Args:
        n_hours: of all stays.
        recipe: its knobs.
        speed: of this machine.
    """
    return Needs(memory_of(n_hours, recipe), 0.0)


def _widths(recipe: Recipe) -> list[int]:
    """Columns of the table of each view of the trees."""
    if not recipe.teacher_share:
        return []
    return [N_FEATURES, len(WINDOW_NAMES)] if recipe.teacher_windows else [N_FEATURES]
