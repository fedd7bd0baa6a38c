"""Needs of a fit, said before it begins: memory and time, by the hours of stays and the knobs.

Memory is most when LightGBM makes its own table of the wider view: the floats are there, what it
makes of them, and a sample of 200,000 rows by which it cuts columns into bins. Time is a count of
the work times what a piece of it took. `bench/fit_costs.py` prints both beside what a fit took;
`docs/training.md` has the runs that the factors were fitted to, and those that checked them.
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
_CELL_BYTES: Final = 8.2
"""Of a cell of the trees' table: its float, its bin, and LightGBM's copies of bins for a set."""

_SAMPLED: Final = 200_000
_SAMPLED_BYTES: Final = 9.7
"""Rows that LightGBM draws to cut columns into bins, and what a cell of them takes: a double and
the number of its row, where it is not 0."""

_TREE_S: Final = 1.8e-9
_TABLE_S: Final = 1.3e-7
"""Processor seconds for a cell of the trees' tables: of one tree; of the table and its risks."""

_READING_S: Final = 1.4e-5
_REMEMBERING_S: Final = 1.4e-5
_FORECAST_S: Final = 1.4e-5
_ONCE_S: Final = 4e-5
"""Processor seconds for an hour: in an epoch of the encoder, of the LSTM and of the forecast, and
for all else. The work of an encoder of other size goes with its units."""

_SHARED: Final = 0.8
"""Share of a second thread that is of use, and of each after it up to ``_MOST_THREADS``."""
_MOST_THREADS: Final = 8

SPREAD: Final = (0.6, 1.8)
"""Least and most of the time of a fit divided by the estimate. The runs took 0.9 to 1.5 times it in
processor seconds; other processors and other data add to that."""

LEAST_SAID_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Needs:
    """Needs of a fit.

    Attributes:
        memory_gb: the most at one time.
        seconds: the estimate of its time.
        threads: that the time is of.
    """

    memory_gb: float
    seconds: float = 0.0
    threads: int = 1

    def line(self) -> str:
        """In words, with what the machine has where that is too little."""
        has_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        short = "" if self.memory_gb < has_gb else f", and this machine has {has_gb:.0f} GB in all"
        return f"needs some {self.memory_gb:.1f} GB of memory{short}{self._time()}"

    def _time(self) -> str:
        if self.seconds < LEAST_SAID_S:
            return ""
        low, high = (self.seconds * factor / 60 for factor in SPREAD)
        span, unit = (f"{low:.0f} to {high:.0f}", "minutes")
        if low >= 60:
            span, unit = (f"{low / 60:.1f} to {high / 60:.1f}", "hours")
        on = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"; takes some {span} {unit} with {on} that no other program wants"


def needs_of(
    n_hours: int, recipe: Recipe, threads: int = 1, variables: VariableTable = BUILT_IN
) -> Needs:
    """The needs of a fit.

    Args:
        n_hours: of all stays.
        recipe: its knobs; the sides are taken to have its fractions of the hours.
        threads: that it may use.
        variables: those of the stays.
    """
    memory_gb = _memory_gb(n_hours, recipe, variables)
    width = sum(_widths(recipe, variables))
    return Needs(memory_gb, _seconds(n_hours, recipe, threads, width), threads)


def _memory_gb(n_hours: int, recipe: Recipe, variables: VariableTable) -> float:
    train, validation, _ = recipe.fractions
    rows = train * n_hours
    width = max(_widths(recipe, variables), default=0)
    trees = width * (rows * _CELL_BYTES + min(rows, _SAMPLED) * _SAMPLED_BYTES)
    encoded = (train + validation) * n_hours * recipe.encoder * _FLOAT
    hour = _STAY_BYTES + (len(variables) + len(features_of(variables))) * _FLOAT
    return BASE_GB + (n_hours * hour + max(trees, encoded)) / 1e9


def _seconds(n_hours: int, recipe: Recipe, threads: int, width: int) -> float:
    train, validation, _ = recipe.fractions
    rows = train * n_hours
    cells = rows * width
    trees = cells * (_TABLE_S + _TREE_S * (recipe.teacher_folds - 1) * recipe.teacher_rounds)
    network = (recipe.encoder / Recipe().encoder) * (
        rows * recipe.reading_epochs * _READING_S
        + (rows + validation * n_hours) * recipe.epochs * _REMEMBERING_S
    )
    rest = rows * recipe.forecast_epochs * _FORECAST_S + n_hours * _ONCE_S
    return (trees + network + rest) / (1 + _SHARED * (min(threads, _MOST_THREADS) - 1))


def _widths(recipe: Recipe, variables: VariableTable) -> list[int]:
    """Columns of the table of each view of the trees."""
    if not recipe.teacher_share:
        return []
    of_hours, windows = len(features_of(variables)), len(window_names(variables))
    return [of_hours, windows] if recipe.teacher_windows else [of_hours]
