"""Builds the scoring model of a bundle, and the bundle of a trained model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_weights
from safetensors.numpy import save as save_weights

from streamer.bundles import known_risks, soundness
from streamer.bundles.bundle import Bundle, BundleError, short
from streamer.bundles.manifest import (
    FORECAST,
    FORMAT,
    ForecastLayout,
    ForecastPart,
    Manifest,
    Provenance,
)
from streamer.core import features, forecast
from streamer.core.alerts import AlertPolicy
from streamer.core.forecast import ForecastHead
from streamer.core.lstm_network import HORIZONS, Architecture, Network, Weights
from streamer.core.model import IN_THIS_STAY, Calibration, Model, Scaling
from streamer.core.own_variables import read_own
from streamer.core.variables import BUILT_IN, VariableTable

_PREFIX: Final = f"{FORECAST}."  # names the forecast head's weights among the network's
_LONGEST_OUTCOME: Final = 80 + len(IN_THIS_STAY)  # 80 as of a task file
# Of JSON and weights that anybody may have written.
_BROKEN: Final = (
    ArithmeticError,
    AttributeError,
    KeyError,
    MemoryError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
)
_LAYOUT: Final[ForecastLayout] = {
    "vitals": list(forecast.FORECAST_VITALS),
    "hours": list(forecast.HOURS),
    "levels": list(forecast.LEVELS),
}


def build(bundle: Bundle) -> Model:
    """Builds the model that scores.

    Raises:
        BundleError: format, features or variables are not those of this version, the content does
            not match the id, or a part is missing or broken.
    """
    manifest = bundle.manifest
    _require(
        manifest.get("format") == FORMAT,
        f"its format {manifest.get('format')} is not this version's {FORMAT}",
    )
    _require(
        manifest.get("features") == features.FEATURE_VERSION,
        f"its features {manifest.get('features')!r} are not this version's "
        f"{features.FEATURE_VERSION!r}",
    )
    variables = _variables(manifest)
    n_features = len(features.features_of(variables))
    named = manifest.get("model")
    _require(
        isinstance(named, str) and named in (bundle.model_id, short(bundle.model_id)),
        f"its content, with the hash {bundle.model_id}, does not match its id {ascii(named)[:80]}",
    )
    try:
        horizons = _horizons(manifest)
        size = soundness.architecture(manifest, n_features)
        weights = load_weights(bundle.weights)
        head = {name: weights.pop(name) for name in list(weights) if name.startswith(_PREFIX)}
        soundness.check_weights(size, weights)
        soundness.check_scaling(manifest["scaling"], n_features)
        model = Model(
            bundle.model_id,
            Network(size, weights),
            Scaling(
                np.array(manifest["scaling"]["mean"], np.float32),
                np.array(manifest["scaling"]["std"], np.float32),
            ),
            tuple(_calibration(manifest, horizon) for horizon in horizons),
            soundness.threshold(manifest),
            AlertPolicy(**soundness.alert_policy(manifest)),
            _forecaster(manifest.get(FORECAST), head, size),
        )
        model.horizons = horizons
        model.outcome = bundle.outcome
        is_plain = model.outcome.isprintable() and 0 < len(model.outcome) <= _LONGEST_OUTCOME
        _require(is_plain, f"its outcome {ascii(model.outcome)[:80]}")
        model.variables = variables
        model.unread = _unread(manifest, variables)
        return model
    except BundleError:
        raise
    except _BROKEN as error:
        raise BundleError(f"bundle {short(bundle.model_id)}: {error}") from error


def make(model: Model, about: Provenance, card: str) -> Bundle:
    """Makes the bundle of a model, with known inputs and the risks that it gives them.

    Args:
        model: the scoring model; the bundle's id follows from the content, not from its id.
        about: the other parts of the manifest, such as metrics, data, recipe and alert budget.
        card: the model card, Markdown.
    """
    manifest = cast(Manifest, dict(about))
    manifest.update(
        {
            "format": FORMAT,
            "features": features.FEATURE_VERSION,
            "variables": list(model.variables.names),
            "architecture": asdict(model.architecture),
            "scaling": {"mean": model.scaling.mean.tolist(), "std": model.scaling.std.tolist()},
            "calibration": {
                horizon: {"logits": cal.logits.tolist(), "calibrated": cal.calibrated.tolist()}
                for horizon, cal in zip(model.horizons, model.calibrations, strict=True)
            },
            "threshold": model.threshold,
            "alert_policy": asdict(model.policy),
        }
    )
    weights = dict(model.network.weights)
    if model.forecaster is not None:
        size = model.forecaster.size
        manifest[FORECAST] = {
            **_LAYOUT,
            "n_features": size.n_features,
            "memory": size.memory,
            "units": size.units,
        }
        head = model.forecaster.weights
        weights |= {_PREFIX + name: value for name, value in head.items()}
    bundle = Bundle(manifest, save_weights(weights), card, known_risks.make(model))
    manifest["model"] = bundle.model_id
    return bundle


def _horizons(manifest: Manifest) -> tuple[str, ...]:
    """The names of the horizons: those of the task, rising."""
    task = manifest.get("task")
    if task is None:
        return HORIZONS
    hours = task.get("horizons", [int(name[:-1]) for name in HORIZONS])
    is_rising = len(hours) == len(HORIZONS) and all(type(h) is int and 0 < h < 1000 for h in hours)
    _require(is_rising and hours == sorted(set(hours)), f"its horizons {ascii(hours)[:40]}")
    return tuple(f"{h}h" for h in hours)


def _variables(manifest: Manifest) -> VariableTable:
    """The 34, and the variables that the task of the bundle defines."""
    task = manifest.get("task")
    try:
        own = read_own(task.get("new_variables", {})) if task is not None else ()
    except _BROKEN as error:
        raise BundleError(f"this bundle cannot be used: its task: {error}") from error
    variables = VariableTable(own) if own else BUILT_IN
    _require(
        manifest.get("variables") == list(variables.names),
        "its variables are not those of this version and of its task",
    )
    return variables


def _unread(manifest: Manifest, variables: VariableTable) -> NDArray[np.intp]:
    """Columns of the variables that the task of the bundle does not name."""
    task = manifest.get("task")
    if task is None:
        return np.empty(0, np.intp)
    named, known = set(task["variables"]), set(variables.names)
    _require(named <= known, f"its task names the variables {ascii(named - known)[:80]}")
    return variables.unnamed(named)


def _calibration(manifest: Manifest, horizon: str) -> Calibration:
    part = manifest["calibration"][horizon]
    logits, calibrated = (
        np.array(knots, np.float64) for knots in (part["logits"], part["calibrated"])
    )
    for knots in (logits, calibrated):
        soundness.check_calibration(horizon, knots)
    return Calibration(logits, calibrated)


def _forecaster(
    part: ForecastPart | None, weights: Weights, network: Architecture
) -> ForecastHead | None:
    if part is None:
        _require(not weights, f"it has weights of a {FORECAST} head and no {FORECAST} part")
        return None
    _require(isinstance(part, dict), f"its {FORECAST} part is {part!r}, not a JSON object")
    layout = {name: part.get(name) for name in _LAYOUT}
    _require(
        layout == _LAYOUT, f"its forecast layout {layout} does not match this version's {_LAYOUT}"
    )
    sizes: Any = {name: value for name, value in part.items() if name not in _LAYOUT}
    head = {name.removeprefix(_PREFIX): value for name, value in weights.items()}
    size = soundness.head_size(sizes, network)
    soundness.check_head_weights(size, head)
    return ForecastHead(size, head)


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise BundleError(f"this bundle cannot be used: {fault}; train one with `trainer fit`")
