from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as load_weights
from safetensors.numpy import save as save_weights

from streamer.bundles.build import build, make
from streamer.bundles.bundle import Bundle, BundleError
from streamer.core.features import N_FEATURES
from tests.support.bad_bundles import changed
from tests.support.small_models import balanced, forecasting_model, random_bundle

BUNDLE = random_bundle(1)
HEADED = make(balanced(forecasting_model(1)), {}, "")


def with_array(bundle: Bundle, name: str, change: Callable[[Any], Any]) -> Bundle:
    """The same with one of its arrays changed, and the id that goes with it."""
    weights = load_weights(bundle.weights)
    weights[name] = change(weights[name])
    return changed(Bundle(bundle.manifest, save_weights(weights), bundle.card, bundle.known))


def refused(bundle: Bundle, why: str) -> None:
    with pytest.raises(BundleError, match=why):
        build(bundle)


@pytest.mark.parametrize(
    ("size", "value"),
    [
        ("hidden", 0), ("hidden", -1), ("hidden", 40_000), ("hidden", 8.0), ("hidden", True),
        ("hidden", "8"), ("hidden", None), ("hidden", 10**400), ("layers", 9), ("encoder", 10**9),
        ("binned", -1), ("binned", N_FEATURES + 1), ("bins", 65), ("n_features", 7),
        ("dropout", 1.0), ("dropout", float("nan")), ("encoder_dropout", -0.1), ("dropout", "0"),
    ],
)  # fmt: skip
def test_sizes_are_checked_before_anything_is_made(size: str, value: object) -> None:
    architecture = {**BUNDLE.manifest["architecture"], size: value}
    refused(changed(BUNDLE, architecture=architecture), f"{size} is")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1001.0, -1e30])
@pytest.mark.parametrize("name", ["lstm.weight_hh_l0", "bias", "first.bias"])
def test_each_weight_is_finite_and_bounded(name: str, number: float) -> None:
    def change(array: Any) -> Any:
        array.reshape(-1)[-1] = number
        return array

    refused(with_array(BUNDLE, name, change), f"{name}: 1 of")


def test_weights_of_other_types_are_refused() -> None:
    refused(with_array(BUNDLE, "bias", lambda array: array.astype(np.float64)), "holds float64")
    refused(with_array(BUNDLE, "bias", lambda array: array.astype(np.int32)), "holds int32")


@pytest.mark.parametrize("part", ["mean", "std"])
@pytest.mark.parametrize(
    "numbers", [[], [1.0] * (N_FEATURES - 1), [1.0] * (N_FEATURES + 1), [[1.0] * N_FEATURES], "1"]
)
def test_scaling_has_one_number_a_feature(part: str, numbers: object) -> None:
    scaling = {**BUNDLE.manifest["scaling"], part: numbers}
    refused(changed(BUNDLE, scaling=scaling), "scaling|could not convert")


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan"), float("inf"), 1e-30, None])
def test_deviations_are_positive(std: object) -> None:
    scaling = {**BUNDLE.manifest["scaling"], "std": [1.0] * (N_FEATURES - 1) + [std]}
    refused(changed(BUNDLE, scaling=scaling), "scaling")


@pytest.mark.parametrize("value", [0.0, 1.0, 5.0, -0.1, float("nan"), "0.5", True, None])
def test_a_threshold_lies_within_0_and_1(value: object) -> None:
    refused(changed(BUNDLE, threshold=value), "threshold is")


@pytest.mark.parametrize(
    "policy",
    [
        {"off": 0.1, "medium": 0.2, "high": 1.5},
        {"off": 0.1, "medium": float("nan"), "high": 0.9},
        {"off": 0.0, "medium": 0.2, "high": 0.9},
        {"off": "0.1", "medium": 0.2, "high": 0.9},
        {"off": 0.1, "medium": 0.2},
        [0.1, 0.2, 0.3],
    ],
)
def test_alert_thresholds_rise_within_0_and_1(policy: object) -> None:
    refused(changed(BUNDLE, alert_policy=policy), r"bundle .*: .+")


@pytest.mark.parametrize(
    "knots",
    [
        [0.0], [1.0, 0.0], [0.0, 0.0], [0.0, float("nan")], [0.0, float("inf")], [0.0, 1e4],
        list(range(1001)), [[0.0, 1.0]], {"a": 1}, "01",
    ],
)  # fmt: skip
@pytest.mark.parametrize("side", ["logits", "calibrated"])
def test_calibrations_are_finite_and_rise(side: str, knots: object) -> None:
    calibration = BUNDLE.manifest["calibration"]
    other = {**calibration, "24h": {**calibration["24h"], side: knots}}
    refused(changed(BUNDLE, calibration=other), r"bundle .*: .+")


def test_a_forecast_head_reads_what_the_network_has() -> None:
    part: Any = HEADED.manifest["forecast"]
    for name in ("n_features", "memory"):
        refused(changed(HEADED, forecast={**part, name: part[name] + 1}), "other inputs")
    refused(changed(HEADED, forecast={**part, "units": 10**9}), "units")
    refused(changed(HEADED, forecast=None), "weights of a forecast head")


@pytest.mark.parametrize(
    ("name", "number", "is_refused"),
    [("scale", np.nan, False), ("scale", 0.0, True), ("stretch", -1.0, True),
     ("stretch", np.nan, True), ("second.bias", np.inf, True)],
)  # fmt: skip
def test_numbers_of_a_forecast_head_are_bounded(name: str, number: float, is_refused: bool) -> None:
    def change(array: Any) -> Any:
        array.reshape(-1)[0] = number
        return array

    other = with_array(HEADED, f"forecast.{name}", change)
    if is_refused:
        refused(other, name)
    else:
        assert build(other).forecaster is not None
