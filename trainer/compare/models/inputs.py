"""Inputs of the families: groups of the streamer's features, and their form for networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.core.features import features_of
from streamer.core.model import Scaling
from streamer.core.variables import VariableTable
from trainer.data.dataset import Material

Columns: TypeAlias = NDArray[np.int64]
"""Indices of features."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Groups of the features of V variables.

    Attributes:
        value: (V,) the last value of each variable, carried forward.
        measured: (V,) whether the hour has one.
        since: (V,) the hours since the last one.
        context: the clock and the demographics.
        everything: all features.
    """

    value: Columns
    measured: Columns
    since: Columns
    context: Columns
    everything: Columns


@cache
def inputs_of(variables: VariableTable) -> Inputs:
    """The groups of the features of a table of variables."""
    names = features_of(variables).names

    def columns(*wanted: str) -> Columns:
        """A name that ends in a colon stands for all variables."""
        return np.flatnonzero([n in wanted or f"{n.split(':')[0]}:" in wanted for n in names])

    return Inputs(
        columns("value:"),
        columns("measured:"),
        columns("log_hours_since:"),
        columns("log_hour", "hour", "age", "sex", "medical", "surgical", "log_hours_in_hospital"),
        np.arange(len(names)),
    )


Choice: TypeAlias = Callable[[Inputs], Columns]
"""Some of the groups, as columns."""

Reader: TypeAlias = Callable[[Material, NDArray[np.int64]], Tensor]
"""From ``(T, B)`` rows of the cohort to ``(T, B, I)`` float32 inputs. Each column is one stay from
its first hour on; the inputs of an hour follow from the rows up to it alone."""

HOURS_PER_DAY: Final = np.float32(24)
"""Ages go into decays in days, so that their weights are about 1 and learn at the others' pace."""


def standardised(choose: Choice) -> Reader:
    """Reads these features, standardised; unknown is 0, the training mean."""

    def read(material: Material, rows: NDArray[np.int64]) -> Tensor:
        columns = choose(inputs_of(material.cohort.variables))
        scaling = Scaling(material.scaling.mean[columns], material.scaling.std[columns])
        return torch.from_numpy(scaling.apply(material.built[rows[..., None], columns]))

    return read


_values = standardised(lambda inputs: inputs.value)
_context = standardised(lambda inputs: inputs.context)


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
    inputs = inputs_of(material.cohort.variables)
    hours = np.zeros((*rows.shape, len(inputs.since)), np.float32)
    hours[1:] = np.expm1(material.built[rows[:-1, :, None], inputs.since]) + 1
    since_start = np.arange(len(rows), dtype=np.float32)[:, None, None]
    days = np.minimum(hours, since_start) / HOURS_PER_DAY
    blocks = [
        _values(material, rows),
        torch.from_numpy(material.built[rows[..., None], inputs.measured]),
        torch.from_numpy(days),
        _context(material, rows),
    ]
    return torch.cat(blocks, dim=-1)
