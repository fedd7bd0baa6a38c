"""Bounds of every part of a bundle: finite, of its shape, and no larger than a service can hold.

They are checked before a network is built: what is outside of them could stop the service, or give
risks that are not numbers. Whether a sound network also says something sensible is another
question (``bundles.known_risks``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.manifest import Manifest, ScalingPart
from streamer.core.forecast import HeadSize
from streamer.core.lstm_network import Architecture, Weights, check_shapes

# Ten times what `trainer tune` searches. A stay keeps two states of hidden x layers numbers.
_SIZES: Final = {"hidden": (1, 1024), "layers": (1, 8), "encoder": (1, 2048), "bins": (1, 64)}
_DROPOUTS: Final = ("dropout", "encoder_dropout")
_MOST_UNITS: Final = 1024  # of a forecast head
MOST_WEIGHT: Final = 1e3  # of inputs within six standard deviations: more is no trained weight
_MOST_MEAN: Final = 1e6  # no variable has values beyond a few thousand
_STDS: Final = (1e-6, 1e6)
_MOST_KNOTS: Final = 1000
_MOST_LOGIT: Final = 1e3  # a step between two of few patients is steep; beyond, risks are 0 and 1
_MOST_STRETCH: Final = 1e3
_LEAST_SCALE: Final = 1e-6


def architecture(manifest: Manifest, n_features: int) -> Architecture:
    """Returns the sizes of the network.

    Args:
        manifest: has them.
        n_features: of its variables.

    Raises:
        ValueError: a size is not a number within its bounds.
    """
    part = manifest["architecture"]
    of_inputs = {"n_features": (n_features, n_features), "binned": (0, n_features)}
    for name, (least, most) in (of_inputs | _SIZES).items():
        size = part.get(name, least)
        if type(size) is not int or not least <= size <= most:
            raise ValueError(f"{name} is {_shown(size)}, not a number from {least} to {most}")
    for name in _DROPOUTS:
        if not 0 <= _number(name, part.get(name, 0)) < 1:
            raise ValueError(f"{name} is {_shown(part[name])}, not within 0 and 1")
    return Architecture(**part)


def head_size(part: Mapping[str, Any], network: Architecture) -> HeadSize:
    """Returns the sizes of the forecast head.

    Raises:
        ValueError: they do not fit the network, or are out of bounds.
    """
    size = HeadSize(**part)
    if (size.n_features, size.memory) != (network.n_features, network.hidden):
        raise ValueError(f"the forecast head reads other inputs than the network has: {size}")
    if type(size.units) is not int or not 1 <= size.units <= _MOST_UNITS:
        raise ValueError(
            f"the forecast head has {_shown(size.units)} units, not 1 to {_MOST_UNITS}"
        )
    return size


def check_weights(size: Architecture, weights: Weights) -> None:
    """Checks the weights of a network.

    Raises:
        ValueError: a name, a shape, a type or a number is wrong.
    """
    check_shapes(weights, size.shapes())
    for name, array in weights.items():
        if array.dtype != (np.int64 if name == "binned" else np.float32):
            raise ValueError(f"{name} holds {array.dtype} numbers")
        if name != "binned":
            _within(name, array, -MOST_WEIGHT, MOST_WEIGHT)
    if not (np.diff(weights["edges"], axis=1) > 0).all():
        raise ValueError("edges do not rise strictly")


def check_head_weights(size: HeadSize, weights: Weights) -> None:
    """Checks the weights of a forecast head; a ``scale`` may be unknown, NaN.

    Raises:
        ValueError: a name, a shape or a number is wrong.
    """
    check_shapes(weights, size.shapes())
    for name, array in weights.items():
        least, most = -MOST_WEIGHT, MOST_WEIGHT
        if name == "stretch":
            least, most = 0.0, _MOST_STRETCH
        elif name == "scale":
            least, array = _LEAST_SCALE, array[~np.isnan(array)]  # noqa: PLW2901
        _within(name, array, least, most)


def check_scaling(part: ScalingPart, n_features: int) -> None:
    """Checks means and standard deviations of the features.

    Raises:
        ValueError: their number is not ``n_features``, or one is out of bounds.
    """
    for name, least, most in (("mean", -_MOST_MEAN, _MOST_MEAN), ("std", *_STDS)):
        numbers = np.array(part[name], np.float64)  # type: ignore[literal-required]
        if numbers.shape != (n_features,):
            raise ValueError(
                f"scaling: {name} has the shape {numbers.shape}, not ({n_features},): one for each "
                "feature"
            )
        _within(f"scaling {name}", numbers, least, most)


def check_calibration(horizon: str, knots: NDArray[np.float64]) -> None:
    """Checks one side of a horizon's calibration.

    Raises:
        ValueError: there are too many knots, or one is out of bounds.
    """
    if knots.ndim != 1 or len(knots) > _MOST_KNOTS:
        raise ValueError(f"calibration {horizon}: not a list of at most {_MOST_KNOTS} knots")
    _within(f"calibration {horizon}", knots, -_MOST_LOGIT, _MOST_LOGIT)


def threshold(manifest: Manifest) -> float:
    """Returns the risk threshold.

    Raises:
        ValueError: it is not within 0 and 1.
    """
    number = _number("threshold", manifest["threshold"])
    if not 0 < number < 1:
        raise ValueError(f"threshold is {_shown(number)}, not within 0 and 1")
    return number


def alert_policy(manifest: Manifest) -> dict[str, float]:
    """Returns the alert thresholds as numbers; ``AlertPolicy`` checks their order.

    Raises:
        ValueError: one is not a number.
    """
    return {name: _number(name, value) for name, value in manifest["alert_policy"].items()}


def _within(name: str, numbers: NDArray[Any], least: float, most: float) -> None:
    inside = (numbers >= least) & (numbers <= most)  # NaN is not
    if not inside.all():
        wrong = numbers[~inside].ravel()
        raise ValueError(
            f"{name}: {len(wrong)} of {numbers.size} numbers are not within {least:g} and "
            f"{most:g}, such as {wrong[0]:g}"
        )


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is {_shown(value)}, not a number")
    return float(value)


def _shown(value: object) -> str:
    """A value of anybody, short and without control characters."""
    return ascii(value)[:40] if not isinstance(value, int) or abs(value) < 10**30 else "too large"
