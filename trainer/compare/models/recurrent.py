"""The recurrent families: three cells on equal inputs, GRU-D, and LSTMs on ever more inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from torch import nn

from streamer.core.features import STATIC, features_of
from streamer.core.variables import VariableTable
from streamer.datasets.cohort import Progress
from trainer.compare.models.cells import GRUD, Recurrent, lstm
from trainer.compare.models.inputs import (
    Choice,
    Columns,
    Inputs,
    Reader,
    inputs_of,
    standardised,
    with_decay,
)
from trainer.compare.models.sequences import train
from trainer.compare.protocol.family import Family, Fitted, Level, Settings, Task
from trainer.training.recipe import Recipe

CANDIDATES: Final[tuple[Settings, ...]] = (
    {"hidden": 64, "learning_rate": 2e-3, "dropout": 0.5, "epochs": 5},
    {"hidden": 64, "learning_rate": 4e-3, "dropout": 0.5, "epochs": 5},
    {"hidden": 128, "learning_rate": 2e-3, "dropout": 0.5, "epochs": 5},
)
"""The same for every family. The rate matters most: on validation patients gated cells of 64 units
lost 0.006 to 0.03 utility at 1e-3 against 3e-3 after four epochs, and an LSTM overfitted at 6e-3
from the third on. The average of the weights makes up for few epochs: LSTMs were best
after the third or fourth."""

_FLOAT_BYTES: Final = 4


def _plain(inputs: Inputs) -> Columns:
    return np.concatenate([inputs.value, inputs.context])


def _with_ages(inputs: Inputs) -> Columns:
    return np.concatenate([inputs.value, inputs.measured, inputs.since, inputs.context])


def _everything(inputs: Inputs) -> Columns:
    return inputs.everything


# Numbers that must be kept for the inputs of the next hour: beside the hour and the demographics
# the last values, with them the hours since, or the whole memory of the features.
_KEEPS_CONTEXT: Final = 1 + len(STATIC)


def _keeps_last(variables: VariableTable) -> int:
    return _KEEPS_CONTEXT + len(variables)


def _keeps_ages(variables: VariableTable) -> int:
    return _KEEPS_CONTEXT + 2 * len(variables)


def _keeps_all(variables: VariableTable) -> int:
    return _KEEPS_CONTEXT + features_of(variables).memory_size


Layer: TypeAlias = Callable[[int, int], nn.Module]
"""Makes cells, of a number of inputs and of hidden units."""


def _family(
    name: str, layer: Layer, choose: Choice, keeps: Callable[[VariableTable], int], vectors: int
) -> Family:
    """A family of networks.

    Args:
        name: for tables.
        layer: makes the cells.
        choose: their inputs.
        keeps: numbers that the inputs need of the hours before.
        vectors: vectors of hidden units in the state: h, and c of an LSTM.
    """
    read = standardised(choose)

    def cells(variables: VariableTable, hidden: int) -> nn.Module:
        return layer(len(choose(inputs_of(variables))), hidden)

    return _family_of(name, cells, read, keeps, vectors)


def _family_of(
    name: str,
    layer: Callable[[VariableTable, int], nn.Module],
    read: Reader,
    keeps: Callable[[VariableTable], int],
    vectors: int,
) -> Family:
    """The same, of cells that read their inputs in their own way."""

    def fit(task: Task, settings: Settings, progress: Progress | None) -> Fitted:
        hidden, dropout = int(settings["hidden"]), float(settings["dropout"])
        recipe = Recipe(
            learning_rate=float(settings["learning_rate"]), epochs=int(settings["epochs"])
        )

        variables = task.material.cohort.variables

        def build() -> Recurrent:
            return Recurrent(layer(variables, hidden), hidden, dropout)

        state_bytes = _FLOAT_BYTES * (keeps(variables) + vectors * hidden)
        return train(task, read, build, recipe, state_bytes, progress)

    return Family(name, Level.SEQUENCE, CANDIDATES, fit)


def _gru_d(variables: VariableTable, hidden: int) -> GRUD:
    return GRUD(len(variables), len(inputs_of(variables).context), hidden)


RECURRENT: Final[tuple[Family, ...]] = (
    _family("vanilla RNN", nn.RNN, _with_ages, _keeps_ages, 1),
    _family("GRU", nn.GRU, _with_ages, _keeps_ages, 1),
    _family_of("GRU-D", _gru_d, with_decay, _keeps_ages, 1),
    _family("LSTM, plain", lstm, _plain, _keeps_last, 2),
    _family("LSTM, masks and ages", lstm, _with_ages, _keeps_ages, 2),
    _family("LSTM, all features", lstm, _everything, _keeps_all, 2),
)
"""The vanilla RNN and the GRU have the inputs of the LSTM with masks and ages."""
