"""What a recurrent network is given of an hour: columns of the streamer's features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.core.model import Scaling
from trainer.compare.models.columns import CONTEXT, MEASURED, SINCE, VALUE
from trainer.data.dataset import Material

Reader: TypeAlias = Callable[[Material, NDArray[np.int64]], Tensor]
"""Gives ``(T, B, I)`` float32 inputs of ``(T, B)`` rows; each column is one stay from its first
hour on. The inputs of an hour follow from the rows up to it alone."""

HOURS_PER_DAY: Final = np.float32(24)
"""Ages go into decays in days, so that their weights are about 1 and learn at the others' pace."""


def standardised(columns: NDArray[np.int64]) -> Reader:
    """Gives these features, standardised; unknown is 0, the training mean."""

    def read(material: Material, rows: NDArray[np.int64]) -> Tensor:
        scaling = Scaling(material.scaling.mean[columns], material.scaling.std[columns])
        return torch.from_numpy(scaling.apply(material.built[rows[..., None], columns]))

    return read


def with_decay(material: Material, rows: NDArray[np.int64]) -> Tensor:
    """Gives what ``cells.GRUD`` takes: values, masks, days since measured, context.

    Days since measured are the paper's: at an hour that measures a variable they still count from
    the measurement before, and without one from the first hour of the stay.
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
