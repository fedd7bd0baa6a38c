"""Between a bundle and the model in it: to score with one, to keep one that was trained."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_weights
from safetensors.numpy import save as save_weights

from streamer.bundles.bundle import FORECAST, FORMAT, Bundle, BundleError
from streamer.core import features, forecast
from streamer.core.alerts import AlertPolicy
from streamer.core.forecast import ForecastHead, HeadSize
from streamer.core.model import Calibration, Model, Scaling
from streamer.core.network import HORIZONS, Architecture, Network, Weights
from streamer.core.variables import VARIABLES

_PREFIX: Final = f"{FORECAST}."  # of the weights of the forecast head among the network's
_FORETOLD: Final = {
    "vitals": list(forecast.FORECAST_VITALS),
    "hours": list(forecast.HOURS),
    "levels": list(forecast.LEVELS),
}


def build(bundle: Bundle) -> Model:
    """Builds the model that scores.

    Raises:
        BundleError: when format, features or variables are not those of this program, or a part
            is missing or broken.
    """
    manifest = bundle.manifest
    _require(manifest.get("format") == FORMAT, f"format {manifest.get('format')} is unknown")
    _require(
        manifest.get("features") == features.FEATURE_VERSION,
        f"made for features {manifest.get('features')!r}, "
        f"this program has {features.FEATURE_VERSION!r}",
    )
    _require(
        manifest.get("variables") == [variable.name for variable in VARIABLES],
        "its variables are not those of this program",
    )
    _require(manifest.get("model") == bundle.model_id, "its content does not match its id")
    try:
        weights = load_weights(bundle.weights)
        ours = {name: weights.pop(name) for name in list(weights) if name.startswith(_PREFIX)}
        network = Network(Architecture(**manifest["architecture"]), weights)
        return Model(
            bundle.model_id,
            network,
            Scaling(
                np.array(manifest["scaling"]["mean"], np.float32),
                np.array(manifest["scaling"]["std"], np.float32),
            ),
            tuple(
                Calibration(
                    np.array(manifest["calibration"][horizon]["logits"], np.float64),
                    np.array(manifest["calibration"][horizon]["calibrated"], np.float64),
                )
                for horizon in HORIZONS
            ),
            float(manifest["threshold"]),
            AlertPolicy(**manifest["alert_policy"]),
            _forecaster(manifest.get(FORECAST), ours),
        )
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise BundleError(f"bundle {bundle.model_id}: {error}") from error


def make(model: Model, about: dict[str, Any], card: str) -> Bundle:
    """Makes a bundle of a model.

    Args:
        model: what scores; its id is set anew from the content.
        about: what else the manifest says: metrics, data fingerprint, recipe, alert budget.
        card: the model card, Markdown.
    """
    manifest = {
        **about,
        "format": FORMAT,
        "features": features.FEATURE_VERSION,
        "variables": [variable.name for variable in VARIABLES],
        "architecture": asdict(model.architecture),
        "scaling": {"mean": model.scaling.mean.tolist(), "std": model.scaling.std.tolist()},
        "calibration": {
            horizon: {"logits": cal.logits.tolist(), "calibrated": cal.calibrated.tolist()}
            for horizon, cal in zip(HORIZONS, model.calibrations, strict=True)
        },
        "threshold": model.threshold,
        "alert_policy": asdict(model.policy),
    }
    weights = dict(model.network.weights)
    if model.forecaster is not None:
        manifest[FORECAST] = {**asdict(model.forecaster.size), **_FORETOLD}
        own = model.forecaster.weights
        weights |= {_PREFIX + name: value for name, value in own.items()}
    bundle = Bundle(manifest, save_weights(weights), card)
    manifest["model"] = bundle.model_id
    return bundle


def _forecaster(about: dict[str, Any] | None, weights: Weights) -> ForecastHead | None:
    if about is None:
        return None
    _require(isinstance(about, dict), f"its {FORECAST} is no JSON object")
    size = {name: value for name, value in about.items() if name not in _FORETOLD}
    foretold = {name: about.get(name) for name in _FORETOLD}
    _require(foretold == _FORETOLD, f"it foretells {foretold}, this program {_FORETOLD}")
    own = {name.removeprefix(_PREFIX): value for name, value in weights.items()}
    return ForecastHead(HeadSize(**size), own)


def _require(holds: bool, why_not: str) -> None:
    if not holds:
        raise BundleError(f"this bundle cannot be used: {why_not}; train one with `trainer fit`")
