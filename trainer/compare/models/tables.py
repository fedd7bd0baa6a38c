"""Tables with a row for each hour, for models that read each hour for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.features import features_of
from streamer.core.model import Scaling
from streamer.core.variables import VariableTable
from trainer.compare.models.inputs import Columns, inputs_of
from trainer.compare.protocol.family import Level, Task
from trainer.data.batches import some_at_a_time
from trainer.data.dataset import Material, fit_scaling
from trainer.data.rolling import Floats
from trainer.data.windows import window_features, window_names, window_state_bytes
from trainer.metrics.utility import hour_weights
from trainer.training.recipe import Recipe

_STATIC_BYTES: Final = 4 * 5  # demographics and the hour of admission


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one information level.

    Attributes:
        name: short words for the names of families.
        level: of the information in the columns.
        width: W, by the variables of the stays.
        state_bytes: bytes that must be kept of a stay to make its next row, by the same.
        rows: from stays to (R, W) raw values of their hours, NaN where unknown.
    """

    name: str
    level: Level
    width: Callable[[VariableTable], int]
    state_bytes: Callable[[VariableTable], int]
    rows: Callable[[Material, NDArray[np.int64]], Floats]


def snapshot_columns(variables: VariableTable) -> Columns:
    """The features of a snapshot: last values, their ages, demographics."""
    inputs = inputs_of(variables)
    return np.sort(np.concatenate([inputs.value, inputs.measured, inputs.since, inputs.context]))


def _snapshot(material: Material, stays: NDArray[np.int64]) -> Floats:
    columns = snapshot_columns(material.cohort.variables)
    return material.built[np.ix_(material.rows_of(stays), columns)]


def _features(material: Material, stays: NDArray[np.int64]) -> Floats:
    return material.built[material.rows_of(stays)]


def _nothing(material: Material, stays: NDArray[np.int64]) -> Floats:
    return np.empty((len(material.rows_of(stays)), 0), np.float32)


NOTHING: Final = Table("nothing", Level.REFERENCE, lambda _: 0, lambda _: 0, _nothing)
SNAPSHOT: Final = Table(
    "snapshot",
    Level.SNAPSHOT,
    lambda variables: len(snapshot_columns(variables)),
    lambda variables: 8 * len(variables) + _STATIC_BYTES,
    _snapshot,
)
FEATURES: Final = Table(
    "windows from the state",
    Level.WINDOW,
    lambda variables: len(features_of(variables)),
    lambda variables: 4 * features_of(variables).memory_size + _STATIC_BYTES,
    _features,
)
"""The features of the shipped network: windows that need no more than its memory."""
WINDOWS: Final = Table(
    "windows",
    Level.WINDOW,
    lambda variables: len(window_names(variables)),
    window_state_bytes,
    window_features,
)
"""Windows over the raw hours, as the best published models use them."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled hours; R rows.

    Attributes:
        x: (R, W) of a table.
        y: (R,) the challenge's label.
        weight: (R,) of each hour in the loss.
    """

    x: Floats
    y: NDArray[np.bool_]
    weight: Floats


def examples(task: Task, table: Table, stays: NDArray[np.int64]) -> Examples:
    """The labelled hours of these stays, weighted as for the network's teacher."""
    cohort, rows = task.material.cohort, task.material.rows_of(stays)
    x = np.empty((len(rows), table.width(cohort.variables)), np.float32)
    begin = 0
    for some in some_at_a_time(stays):
        block = table.rows(task.material, some)
        x[begin : begin + len(block)] = block
        begin += len(block)
    weight = hour_weights(cohort.label, cohort.starts, Recipe().utility_weight)
    return Examples(x, cohort.label[rows] == 1, weight[rows])


def standardise(x: Floats) -> Scaling:
    """Fits a scaling to training rows (R, W) and applies it in place; unknown values become 0."""
    scaling = fit_scaling(x, np.ones(len(x), bool))
    for block in np.array_split(x, -(-len(x) // 50_000)):  # views: a copy could be gigabytes
        block[:] = scaling.apply(block)
    return scaling


@dataclass(frozen=True, slots=True)
class ByHour:
    """A fitted model that reads each hour for itself.

    Attributes:
        task: the stays that can be scored.
        table: its input.
        score_rows: from rows of the table to their scores.
        scaling: standardises the rows; ``None`` where they stay raw.
    """

    task: Task
    table: Table
    score_rows: Callable[[Floats], NDArray[np.floating]]
    scaling: Scaling | None = None

    @property
    def state_bytes(self) -> int:
        """The state of the table."""
        return self.table.state_bytes(self.task.material.cohort.variables)

    def scores(self, stays: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R,) as ``Fitted.scores``."""
        material = self.task.material
        scores = np.full(material.cohort.n_rows, np.nan)
        for some in some_at_a_time(stays):
            x = self.table.rows(material, some)
            scores[material.rows_of(some)] = self.score_rows(
                self.scaling.apply(x) if self.scaling else x
            )
        return scores
