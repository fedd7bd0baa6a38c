"""A model as one unit: network, scaling, calibration and thresholds, swapped together or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.alerts import AlertPolicy
from streamer.core.forecast import ForecastHead
from streamer.core.lstm_network import HORIZONS, Architecture, Network
from streamer.core.variables import BUILT_IN

Floats = NDArray[np.float32]

CLIP: Final = 6.0  # standard deviations; a charting error inside the limits must not own the state
ID_DIGITS: Final = 12  # of a model's id where messages and people see it; decisions take all 64
SEPSIS: Final = "sepsis"  # what risks are of, in words, unless a bundle has a task of its own
IN_THIS_STAY: Final = " in this stay"
"""Ends the words of an outcome that is of the whole stay: such a risk has no horizon."""
DECIMALS: Final = 7  # risks are decided on and written with these, so both sides see one number


@dataclass(frozen=True, slots=True)
class Scaling:
    """Means and standard deviations ``(F,)`` of the features over the training patients."""

    mean: Floats
    std: Floats

    def __post_init__(self) -> None:
        """Refuses a scaling that would make risks that are not numbers.

        Raises:
            ValueError: unless both have one finite number a feature, and all deviations are > 0.
        """
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape:
            raise ValueError(f"scaling of {self.mean.shape} means and {self.std.shape} deviations")
        if not (np.isfinite(self.mean) & np.isfinite(self.std) & (self.std > 0)).all():
            raise ValueError("scaling: means and deviations must be finite, deviations above 0")

    def apply(self, features: Floats) -> Floats:
        """Standardises ``(..., F)`` features; unknown (NaN) becomes 0, the training mean."""
        scaled: Floats = features - self.mean
        np.divide(scaled, self.std, out=scaled)
        # Above and below the mean apart: of NaN and zero, fmin and fmax take the zero. Rows of
        # bounds in place of numbers, since numpy is slower with those.
        zero, least, most = _bounds(scaled.shape[-1])
        below = np.fmin(scaled, zero)
        np.maximum(below, least, out=below)
        np.fmax(scaled, zero, out=scaled)
        np.minimum(scaled, most, out=scaled)
        np.add(scaled, below, out=scaled)
        return scaled


@cache
def _bounds(n_features: int) -> list[Floats]:
    return [np.full(n_features, bound, np.float32) for bound in (0.0, -CLIP, CLIP)]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A strictly rising piecewise linear map from logit to calibrated logit, for one horizon."""

    logits: NDArray[np.float64]
    calibrated: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuses a map that could change the order of risks.

        Raises:
            ValueError: unless both knot sequences are finite, rise strictly and have the same
                length >= 2.
        """
        pair = (self.logits, self.calibrated)
        same = len(self.logits) == len(self.calibrated) >= 2
        if not same or not all(np.isfinite(k).all() and (np.diff(k) > 0).all() for k in pair):
            raise ValueError(
                "calibration knots must be finite, rise strictly and come in pairs, at least two"
            )

    def apply(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Maps logits of any shape; beyond the outer knots the nearest segment goes on."""
        inside = np.interp(logits, self.logits, self.calibrated)
        (x0, x1), (y0, y1) = self.logits[:2], self.calibrated[:2]
        (x8, x9), (y8, y9) = self.logits[-2:], self.calibrated[-2:]
        below = y0 + (logits - x0) * (y1 - y0) / (x1 - x0)
        above = y9 + (logits - x9) * (y9 - y8) / (x9 - x8)
        return np.where(logits < x0, below, np.where(logits > x9, above, inside))

    def risks(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turns logits of any shape into calibrated risks, as they are decided on and written."""
        calibrated = self.apply(logits)
        risks = np.exp(-np.logaddexp(0, -calibrated))  # the sigmoid, in a form that cannot overflow
        rounded: NDArray[np.float64] = risks.round(DECIMALS)
        return rounded


class Model:
    """What scores a stay. Build it from a bundle; ``model_id`` is the hash of the bundle's content.

    Attributes:
        threshold: the 6 h risk above which a risk message is ``positive`` (best official utility
            on validation patients).
        policy: the alert thresholds, from the alert budget.
        forecaster: what foretells vital signs; not every bundle has one.
        horizons: names of the three, as messages have them.
        outcome: what they are risks of, in words.
        variables: those of its hour rows: the 34, and behind them those of its task's own.
        unread: columns of hour rows that the model was not fitted on: the variables that its task
            does not name.
    """

    def __init__(
        self,
        model_id: str,
        network: Network,
        scaling: Scaling,
        calibrations: tuple[Calibration, ...],
        threshold: float,
        policy: AlertPolicy,
        forecaster: ForecastHead | None = None,
    ) -> None:
        if len(calibrations) != len(HORIZONS):
            raise ValueError(f"a model needs one calibration for each of {HORIZONS}")
        if len(scaling.mean) != network.architecture.n_features:
            raise ValueError(
                f"scaling of {len(scaling.mean)} features for a network of "
                f"{network.architecture.n_features}"
            )
        if not 0 < threshold < 1:
            raise ValueError(f"a threshold must lie within 0 and 1, got {threshold}")
        self.model_id = model_id
        self.network = network
        self.scaling = scaling
        self.calibrations = calibrations
        self.threshold = threshold
        self.policy = policy
        self.forecaster = forecaster
        self.horizons: tuple[str, ...] = HORIZONS
        self.outcome = SEPSIS
        self.variables = BUILT_IN
        self.unread: NDArray[np.intp] = np.empty(0, np.intp)

    @property
    def shown_id(self) -> str:
        """The beginning of the id, as messages have it; two models may share it."""
        return self.model_id[:ID_DIGITS]

    @property
    def architecture(self) -> Architecture:
        """The sizes that the state of a stay is laid out by."""
        return self.network.architecture

    def inputs(self, rows: Floats) -> Floats:
        """Hour rows ``(..., V)`` as the model reads them: what it was not fitted on is missing."""
        if len(self.unread):
            rows = rows.copy()
            rows[..., self.unread] = np.nan
        return rows

    def step(
        self, features: Floats, h: Floats, c: Floats
    ) -> tuple[NDArray[np.float64], Floats, Floats]:
        """Steps each stay by one hour.

        Args:
            features: ``(n, F)`` raw features.
            h: ``(n, layers, hidden)`` hidden state.
            c: ``(n, layers, hidden)`` cell state.

        Returns:
            ``(n, 3)`` uncalibrated logits, and h and c after the step, shaped as they came.
        """
        logits, h1, c1 = self.network.step(self.scaling.apply(features), h, c)
        return logits.astype(np.float64), h1, c1

    def advance(self, features: Floats, h: Floats, c: Floats, sizes: Sequence[int]) -> None:
        """Steps stays by several hours, see ``Network.advance``; ``features`` are raw."""
        self.network.advance(self.scaling.apply(features), h, c, sizes)

    def forecast(self, features: Floats, out: Floats) -> Floats:
        """Foretells the vital signs of ``forecast.FORECAST_VITALS`` for ``forecast.HOURS``.

        Args:
            features: ``(n, F)`` raw features of the hour.
            out: ``(n, hidden)`` the LSTM's output: h of its last layer after the hour's step.

        Returns:
            ``(n, 5, 6, 3)`` low, median and high in the variables' own units; NaN of a vital sign
            that was never measured.

        Raises:
            ValueError: the model has no forecast head.
        """
        if self.forecaster is None:
            raise ValueError(f"model {self.model_id} has no forecast head")
        return self.forecaster.values(features, self.scaling.apply(features), out)

    def logits(self, features: Floats) -> NDArray[np.float64]:
        """Runs whole sequences: ``(T, B, F)`` raw features to ``(T, B, 3)`` logits.

        They are those of the chain of steps, bit for bit.
        """
        return self.network.run(self.scaling.apply(features))[0].astype(np.float64)

    def risks(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turns ``(..., 3)`` logits into calibrated risks that never fall with the horizon."""
        each = [cal.risks(logits[..., i]) for i, cal in enumerate(self.calibrations)]
        rising: NDArray[np.float64] = np.maximum.accumulate(np.stack(each, axis=-1), axis=-1)
        return rising
