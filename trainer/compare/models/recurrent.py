"""The recurrent families: three cells on equal inputs, GRU-D, and LSTMs on ever more inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from torch import nn

from streamer.core.features import MEMORY_SIZE, STATIC
from streamer.core.variables import N_VARIABLES
from streamer.datasets.cohort import Progress
from trainer.compare.models.cells import GRUD, Recurrent, lstm
from trainer.compare.models.inputs import (
    CONTEXT,
    EVERYTHING,
    MEASURED,
    SINCE,
    VALUE,
    Reader,
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

_PLAIN: Final = np.concatenate([VALUE, CONTEXT])
_WITH_AGES: Final = np.concatenate([VALUE, MEASURED, SINCE, CONTEXT])

# Numbers that must be kept for the inputs of the next hour: beside the hour and the demographics
# the last values, with them the hours since, or the whole memory of the features.
_KEEPS_CONTEXT: Final = 1 + len(STATIC)
_KEEPS_LAST: Final = _KEEPS_CONTEXT + N_VARIABLES
_KEEPS_AGES: Final = _KEEPS_LAST + N_VARIABLES
_KEEPS_ALL: Final = _KEEPS_CONTEXT + MEMORY_SIZE


def _family(
    name: str, layer: Callable[[int], nn.Module], read: Reader, keeps: int, vectors: int
) -> Family:
    """A family of networks.

    Args:
        name: for tables.
        layer: makes the cells for a number of hidden units.
        read: reads their inputs.
        keeps: numbers that the inputs need of the hours before.
        vectors: vectors of hidden units in the state: h, and c of an LSTM.
    """

    def fit(task: Task, settings: Settings, progress: Progress | None) -> Fitted:
        hidden, dropout = int(settings["hidden"]), float(settings["dropout"])
        recipe = Recipe(
            learning_rate=float(settings["learning_rate"]), epochs=int(settings["epochs"])
        )

        def build() -> Recurrent:
            return Recurrent(layer(hidden), hidden, dropout)

        state_bytes = _FLOAT_BYTES * (keeps + vectors * hidden)
        return train(task, read, build, recipe, state_bytes, progress)

    return Family(name, Level.SEQUENCE, CANDIDATES, fit)


_with_ages = standardised(_WITH_AGES)

RECURRENT: Final[tuple[Family, ...]] = (
    _family("vanilla RNN", partial(nn.RNN, len(_WITH_AGES)), _with_ages, _KEEPS_AGES, 1),
    _family("GRU", partial(nn.GRU, len(_WITH_AGES)), _with_ages, _KEEPS_AGES, 1),
    _family("GRU-D", partial(GRUD, N_VARIABLES, len(CONTEXT)), with_decay, _KEEPS_AGES, 1),
    _family("LSTM, plain", partial(lstm, len(_PLAIN)), standardised(_PLAIN), _KEEPS_LAST, 2),
    _family("LSTM, masks and ages", partial(lstm, len(_WITH_AGES)), _with_ages, _KEEPS_AGES, 2),
    _family(
        "LSTM, all features",
        partial(lstm, len(EVERYTHING)),
        standardised(EVERYTHING),
        _KEEPS_ALL,
        2,
    ),
)
"""The vanilla RNN and the GRU have the inputs of the LSTM with masks and ages."""
