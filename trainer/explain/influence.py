"""The influence of one measurement on the risk of all later hours, through features and state.

The measurement is taken out of the stay, the features are built anew, and the network is run again:
the difference is exact. It reaches a later hour by two paths:

- through the features: last value, its age, counts and trends in the memory of the stay;
- through the state: the LSTM's (h, c) after the earlier hours.

The features and the state of an hour, each with or without the measurement, give four log odds. The
effect of one path depends a little on the other, so each counts as the mean of its effect with and
without the other (the Shapley value of two players); the two add up to the whole change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.core.model import Model
from streamer.datasets.cohort import Cohort
from trainer.explain.unroll import Unrolled, unroll

Floats = NDArray[np.float32]
Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a stay: its variable (its column) and its row."""

    variable: int
    row: int


@dataclass(frozen=True, slots=True)
class Influence:
    """The effect of one measurement on each of the ``T`` hours of its stay.

    Attributes:
        measurement: its variable and row.
        value: the measured value, in the variable's unit.
        replaced: row of the variable's next measurement, ``None`` if it was the last.
        change: ``(T,)`` 6 h log odds with it minus without it, uncalibrated.
        by_features: ``(T,)`` the part of the change that comes through the features.
        by_state: ``(T,)`` the part that comes through the LSTM's state.
        risk_without: ``(T,)`` calibrated 6 h risk without it.
    """

    measurement: Measurement
    value: float
    replaced: int | None
    change: Series
    by_features: Series
    by_state: Series
    risk_without: Series

    @property
    def strongest(self) -> int:
        """Row in which the change is largest, up or down."""
        return int(np.abs(self.change).argmax())

    @property
    def hours_to_half(self) -> int | None:
        """Hours from the measurement until less than half of the largest change remains.

        An influence may fall and come back, so this counts from the last hour with at least half;
        ``None`` if that is the last hour of the stay.
        """
        size = np.abs(self.change)
        last = int(np.flatnonzero(size >= size.max() / 2)[-1])
        return last + 1 - self.measurement.row if last + 1 < len(size) else None


def influences(
    model: Model, stay: Cohort, values: Floats, measurements: Sequence[Measurement]
) -> list[Influence]:
    """The influence of each measurement, taken out of the stay by itself.

    Args:
        model: the model to run.
        stay: one stay.
        values: ``(T, V)`` its cleaned values.
        measurements: measurements to take out; each must have a value.
    """
    variants = np.repeat(values[None], 1 + len(measurements), axis=0)  # the first keeps all
    for variant, measurement in zip(variants[1:], measurements, strict=True):
        variant[measurement.row, measurement.variable] = np.nan
    run = unroll(model, stay, variants)
    return [
        _influence(model, run, values, measurement, 1 + i)
        for i, measurement in enumerate(measurements)
    ]


def _influence(
    model: Model, run: Unrolled, values: Floats, measurement: Measurement, without: int
) -> Influence:
    both, neither = run.logits[0, :, 0], run.logits[without, :, 0]
    features_alone = model.step(run.features[0], run.h[without], run.c[without])[0][:, 0]
    state_alone = model.step(run.features[without], run.h[0], run.c[0])[0][:, 0]
    later = np.flatnonzero(~np.isnan(values[measurement.row + 1 :, measurement.variable]))
    return Influence(
        measurement=measurement,
        value=float(values[measurement.row, measurement.variable]),
        replaced=measurement.row + 1 + int(later[0]) if len(later) else None,
        change=both - neither,
        by_features=((both - state_alone) + (features_alone - neither)) / 2,
        by_state=((both - features_alone) + (state_alone - neither)) / 2,
        risk_without=model.risks(run.logits[without])[:, 0],
    )
