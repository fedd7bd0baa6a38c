"""Inputs of the families: groups of the streamer's features, and their form for networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.core.features import NAMES
from streamer.core.model import Scaling
from trainer.data.dataset import Material


def _columns(*names: str) -> NDArray[np.int64]:
    """Indices into ``NAMES``; a name that ends in a colon stands for all variables."""
    return np.flatnonzero([name in names or f"{name.split(':')[0]}:" in names for name in NAMES])


VALUE: Final = _columns("value:")
"""The last value of each variable, carried forward."""
MEASURED: Final = _columns("measured:")
SINCE: Final = _columns("log_hours_since:")
CONTEXT: Final = _columns(
    "log_hour", "hour", "age", "sex", "medical", "surgical", "log_hours_in_hospital"
)
"""The clock and the demographics."""
EVERYTHING: Final = np.arange(len(NAMES))

Reader: TypeAlias = Callable[[Material, NDArray[np.int64]], Tensor]
"""From ``(T, B)`` rows of the cohort to ``(T, B, I)`` float32 inputs. Each column is one stay from
its first hour on; the inputs of an hour follow from the rows up to it alone."""

HOURS_PER_DAY: Final = np.float32(24)
"""Ages go into decays in days, so that their weights are about 1 and learn at the others' pace."""


def standardised(columns: NDArray[np.int64]) -> Reader:
    """Reads these features, standardised; unknown is 0, the training mean."""

    def read(material: Material, rows: NDArray[np.int64]) -> Tensor:
        scaling = Scaling(material.scaling.mean[columns], material.scaling.std[columns])
        return torch.from_numpy(scaling.apply(material.built[rows[..., None], columns]))

    return read


def with_decay(material: Material, rows: NDArray[np.int64]) -> Tensor:
    """Reads the inputs of ``cells.GRUD``: values, masks, days since measured, context.

    Days since measured are counted as in the paper: at an hour that measures a variable they still
    count from the measurement before, and without one from the first hour of the stay.

    Args:
        material: the cohort and its features.
        rows: (T, B) rows of the cohort, a stay in each column.

    Returns:
        (T, B, 3 V + C) float32, for V variables and C columns of context.
    """
    hours = np.zeros((*rows.shape, len(SINCE)), np.float32)
    hours[1:] = np.expm1(material.built[rows[:-1, :, None], SINCE]) + 1
    since_start = np.arange(len(rows), dtype=np.float32)[:, None, None]
    days = np.minimum(hours, since_start) / HOURS_PER_DAY
    blocks = [
        standardised(VALUE)(material, rows),
        torch.from_numpy(material.built[rows[..., None], MEASURED]),
        torch.from_numpy(days),
        standardised(CONTEXT)(material, rows),
    ]
    return torch.cat(blocks, dim=-1)
