"""What an hour is to a model that reads each hour for itself: a row of one of these tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.features import MEMORY_SIZE, NAMES
from streamer.core.model import Scaling
from streamer.core.variables import N_VARIABLES
from trainer.compare.models.columns import CONTEXT, MEASURED, SINCE, VALUE
from trainer.compare.protocol.family import Level, Task
from trainer.data.batches import some_at_a_time
from trainer.data.dataset import Material, fit_scaling
from trainer.data.rolling import Floats
from trainer.data.windows import WINDOW_NAMES, WINDOW_STATE_BYTES, window_features
from trainer.metrics.utility import hour_weights
from trainer.training.recipe import Recipe

SNAPSHOT_COLUMNS: Final[NDArray[np.int64]] = np.sort(
    np.concatenate([VALUE, MEASURED, SINCE, CONTEXT])
)
_STATIC_BYTES: Final = 4 * 5  # demographics and the hour of admission


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one information level.

    Attributes:
        name: short words for the names of families.
        level: what they tell.
        n_columns: W.
        state_bytes: what must be kept of a stay to work out its next row.
        rows: (rows of these stays, W) raw values, NaN where unknown.
    """

    name: str
    level: Level
    n_columns: int
    state_bytes: int
    rows: Callable[[Material, NDArray[np.int64]], Floats]


def _snapshot(material: Material, stays: NDArray[np.int64]) -> Floats:
    return material.built[np.ix_(material.rows_of(stays), SNAPSHOT_COLUMNS)]


def _features(material: Material, stays: NDArray[np.int64]) -> Floats:
    return material.built[material.rows_of(stays)]


def _nothing(material: Material, stays: NDArray[np.int64]) -> Floats:
    return np.empty((len(material.rows_of(stays)), 0), np.float32)


NOTHING: Final = Table("nothing", Level.REFERENCE, 0, 0, _nothing)
SNAPSHOT: Final = Table(
    "snapshot", Level.SNAPSHOT, len(SNAPSHOT_COLUMNS), 8 * N_VARIABLES + _STATIC_BYTES, _snapshot
)
FEATURES: Final = Table(
    "windows from the state", Level.WINDOW, len(NAMES), 4 * MEMORY_SIZE + _STATIC_BYTES, _features
)
"""What the network sees: windows that need no more than its memory."""
WINDOWS: Final = Table(
    "windows", Level.WINDOW, len(WINDOW_NAMES), WINDOW_STATE_BYTES, window_features
)
"""What the best published models see."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Hours to learn from; R rows.

    Attributes:
        x: (R, W) of a table.
        y: (R,) the challenge's label.
        weight: (R,) what an hour counts.
    """

    x: Floats
    y: NDArray[np.bool_]
    weight: Floats


def examples(task: Task, table: Table, stays: NDArray[np.int64]) -> Examples:
    """The hours of these stays, weighted as those of the network's teacher are."""
    cohort, rows = task.material.cohort, task.material.rows_of(stays)
    x = np.empty((len(rows), table.n_columns), np.float32)
    begin = 0
    for some in some_at_a_time(stays):
        piece = table.rows(task.material, some)
        x[begin : begin + len(piece)] = piece
        begin += len(piece)
    weight = hour_weights(cohort.label, cohort.starts, Recipe().utility_weight)
    return Examples(x, cohort.label[rows] == 1, weight[rows])


def standardise(x: Floats) -> Scaling:
    """Fits a scaling to training rows (R, W) and applies it in place; what is unknown becomes 0."""
    scaling = fit_scaling(x, np.ones(len(x), bool))
    for piece in np.array_split(x, -(-len(x) // 50_000)):  # views: a copy could be gigabytes
        piece[:] = scaling.apply(piece)
    return scaling


@dataclass(frozen=True, slots=True)
class ByHour:
    """A fitted model that reads each hour for itself.

    Attributes:
        task: whose stays it can be asked about.
        table: what it reads.
        say: from rows of the table to their scores.
        scaling: that the rows are standardised with, if they are.
    """

    task: Task
    table: Table
    say: Callable[[Floats], NDArray[np.floating]]
    scaling: Scaling | None = None

    @property
    def state_bytes(self) -> int:
        """What the table needs."""
        return self.table.state_bytes

    def scores(self, stays: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R,) as ``Fitted.scores``."""
        material = self.task.material
        scores = np.full(material.cohort.n_rows, np.nan)
        for some in some_at_a_time(stays):
            x = self.table.rows(material, some)
            scores[material.rows_of(some)] = self.say(self.scaling.apply(x) if self.scaling else x)
        return scores
