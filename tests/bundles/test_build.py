from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from streamer.bundles import bundle as bundles
from streamer.bundles.build import build, make
from streamer.bundles.bundle import Bundle, BundleError
from streamer.bundles.manifest import ForecastPart, Manifest
from streamer.core.features import N_FEATURES
from tests.support.small_models import forecasting_model, random_bundle, random_model


def test_the_model_in_a_bundle_scores_as_before() -> None:
    model = random_model(seed=4)
    again = build(make(model, {}, ""))
    hours = np.random.default_rng(0).normal(20, 20, (12, 3, N_FEATURES)).astype(np.float32)
    np.testing.assert_array_equal(again.logits(hours), model.logits(hours))
    np.testing.assert_array_equal(
        again.risks(again.logits(hours)), model.risks(model.logits(hours))
    )
    assert (again.threshold, again.policy) == (model.threshold, model.policy)


def test_a_forecast_head_is_an_optional_part() -> None:
    model = forecasting_model(seed=4)
    bundle = make(model, {}, "")
    again = build(bundles.from_bytes(bundle.to_bytes()))
    draws = np.random.default_rng(0)
    seen = draws.normal(70, 20, (9, N_FEATURES)).astype(np.float32)
    out = draws.uniform(-1, 1, (9, model.architecture.hidden)).astype(np.float32)
    np.testing.assert_array_equal(again.forecast(seen, out), model.forecast(seen, out))
    np.testing.assert_array_equal(again.logits(seen[:, None]), model.logits(seen[:, None]))
    assert build(random_bundle()).forecaster is None
    part = bundle.manifest["forecast"]
    assert part is not None
    other: ForecastPart = {**part, "hours": [1, 2, 3]}
    with pytest.raises(BundleError, match=r"forecast layout.*1, 2, 3"):
        build(_changed(bundle, forecast=other))


@pytest.mark.parametrize("part", [[1], "yes", 7])
def test_a_forecast_part_of_another_kind_is_refused(part: Any) -> None:
    with pytest.raises(BundleError, match=r"forecast part is .*, not a JSON object"):
        build(_changed(random_bundle(), forecast=part))


def test_a_null_forecast_part_means_no_forecast() -> None:
    bundle = _changed(random_bundle(), forecast=None)
    assert build(bundle).forecaster is None
    assert not bundle.has_forecast


def _changed(bundle: Bundle, **parts: Any) -> Bundle:
    """With another manifest and the id that goes with it."""
    changed = replace(bundle, manifest=cast(Manifest, {**bundle.manifest, **parts}))
    return replace(changed, manifest={**changed.manifest, "model": changed.model_id})


def test_tampered_weights_are_refused(tmp_path: Path) -> None:
    bundle = random_bundle()
    bundle.save(tmp_path)
    file = tmp_path / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match="does not match its id"):
        build(bundles.load(tmp_path))


def test_a_tampered_threshold_is_refused() -> None:
    bundle = random_bundle()
    manifest: Manifest = {**bundle.manifest, "threshold": 0.01}
    with pytest.raises(BundleError, match="does not match its id"):
        build(replace(bundle, manifest=manifest))


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"features": "hourly-0"}, "hourly-0"),
        ({"format": 99}, "format 99 is not this version's 2"),
        ({"variables": ["heart_rate"]}, "variables"),
        ({"threshold": None}, "threshold is None, not a number"),
        ({"alert_policy": {"medium": 0.1, "high": 0.2, "off": 0.3}}, "must rise"),
        ({"architecture": {"n_features": 3}}, "n_features is 3"),
        ({"architecture": {"n_features": N_FEATURES, "hidden": 16}}, "size mismatch"),
    ],
)
def test_a_bundle_that_this_program_cannot_use_is_refused(parts: dict[str, Any], why: str) -> None:
    with pytest.raises(BundleError, match=why):
        build(_changed(random_bundle(), **parts))
