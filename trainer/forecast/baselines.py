"""Baselines that a forecast has to beat: the last value, and two autoregressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.core.forecast import FORECAST_VITALS, HOURS
from trainer.data.dataset import Material
from trainer.forecast.hours import Floats, Future, last_known, running_mean
from trainer.forecast.table import WORDS

NAMES: Final = tuple(WORDS)
"""The last value; a + b last; a + b last + c the patient's running mean."""

Coefficients: TypeAlias = list[list[list[float]]]
"""By vital sign, hour ahead and input, (5, 6, 3)."""

_MOST_ROWS: Final = 100_000  # settle a coefficient to a percent of itself
_ROUNDS: Final = 12
_LEAST_RESIDUAL: Final = 1e-3  # of a standard deviation: the weight of a row that fits is bounded
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Baselines:
    """Coefficients on (1, last, running mean) ``(5, 6, 3)`` of each autoregression."""

    ar1: NDArray[np.float64]
    ar1_mean: NDArray[np.float64]

    def predict(self, seen: Floats) -> dict[str, NDArray[np.float64]]:
        """The forecast of each of ``NAMES``, ``(n, 5, 6)``, from raw features ``(n, F)``."""
        last, mean = (part(seen).astype(np.float64) for part in (last_known, running_mean))
        inputs = np.stack([np.ones_like(last), last, mean], axis=-1)  # (n, 5, 3)
        forecasts = {"last": np.repeat(last[..., None], len(HOURS), axis=-1)}
        for name in NAMES[1:]:
            forecasts[name] = np.einsum("nvk,vhk->nvh", inputs, getattr(self, name))
        return forecasts

    def to_json(self) -> dict[str, Coefficients]:
        """The coefficients as JSON values."""
        return {
            name: np.vectorize(lambda c: float(f"{c:.{_DIGITS}g}"))(getattr(self, name)).tolist()
            for name in NAMES[1:]
        }

    @classmethod
    def from_json(cls, coefficients: Mapping[str, Coefficients]) -> Baselines:
        """Reads the coefficients from JSON values, as of ``to_json``."""
        return cls(*(np.array(coefficients[name], np.float64) for name in NAMES[1:]))


def fit_baselines(material: Material) -> Baselines:
    """Fits the autregressions on training patients, each for its vital sign and hour.

    By least absolute deviations, since absolute errors are compared: least squares made them larger
    by one percent.
    """
    rows = material.rows_of(material.split.train)
    rows = rows[:: -(-len(rows) // _MOST_ROWS)]
    seen, after = material.built[rows], Future(material.cohort).after(rows)
    last, mean = (part(seen).astype(np.float64) for part in (last_known, running_mean))
    fitted = {name: np.zeros((len(FORECAST_VITALS), len(HOURS), 3)) for name in NAMES[1:]}
    for vital, hour in np.ndindex(len(FORECAST_VITALS), len(HOURS)):
        target = after[:, vital, hour].astype(np.float64)
        known = ~(np.isnan(target) | np.isnan(last[:, vital]))
        inputs = np.stack([np.ones(len(rows)), last[:, vital], mean[:, vital]], axis=1)[known]
        for name, n_inputs in (("ar1", 2), ("ar1_mean", 3)):
            fitted[name][vital, hour, :n_inputs] = _least_deviations(
                inputs[:, :n_inputs], target[known]
            )
    return Baselines(**fitted)


def _least_deviations(
    inputs: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients of least absolute error, by reweighted least squares (Schlossmacher 1973)."""
    best: NDArray[np.float64] = np.zeros(inputs.shape[1:])
    if not len(target):
        return best
    least = _LEAST_RESIDUAL * max(float(target.std()), _LEAST_RESIDUAL)
    root = np.ones(len(target))  # of the weights
    for _ in range(_ROUNDS):
        fitted = np.linalg.lstsq(inputs * root[:, None], target * root, rcond=None)
        best = np.asarray(fitted[0], np.float64)
        root = np.maximum(np.abs(target - inputs @ best), least) ** -0.5
    return best
