from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from streamer.bundles import bundle as bundles
from streamer.bundles.build import build, make
from streamer.bundles.bundle import SHIPPED, Bundle, BundleError
from streamer.bundles.manifest import ForecastPart, Manifest
from streamer.core.features import N_FEATURES
from tests.support.small_models import forecasting_model, random_bundle, random_model


def test_a_folder_gives_the_bundle_back(tmp_path: Path) -> None:
    bundle = random_bundle()
    bundle.save(tmp_path / "new")
    assert bundles.load(tmp_path / "new") == bundle
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "weights.safetensors",
        "manifest.json",
        "card.md",
    }


def test_packed_bytes_give_the_bundle_back_and_are_always_the_same() -> None:
    bundle = random_bundle()
    assert bundles.from_bytes(bundle.to_bytes()) == bundle
    assert bundle.to_bytes() == random_bundle().to_bytes()


def test_the_model_in_a_bundle_scores_as_before() -> None:
    model = random_model(seed=4)
    again = build(make(model, {}, ""))
    hours = np.random.default_rng(0).normal(20, 20, (12, 3, N_FEATURES)).astype(np.float32)
    np.testing.assert_array_equal(again.logits(hours), model.logits(hours))
    np.testing.assert_array_equal(
        again.risks(again.logits(hours)), model.risks(model.logits(hours))
    )
    assert (again.threshold, again.policy) == (model.threshold, model.policy)


def test_the_id_follows_from_the_content_alone(tmp_path: Path) -> None:
    bundle = random_bundle(seed=1)
    assert bundle.model_id == random_bundle(seed=1).model_id == bundle.manifest["model"]
    bundle.save(tmp_path)
    assert bundles.load(tmp_path).model_id == bundle.model_id
    others = {
        random_bundle(seed=2).model_id,
        make(random_model(seed=1), {"recipe": {"seed": 5}}, "").model_id,
        replace(bundle, weights=bundle.weights + b" ").model_id,
    }
    assert len(others | {bundle.model_id}) == 4


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


@pytest.mark.parametrize("manifest", ["[1]", "7", "null", "\u00ff"])
def test_a_manifest_that_is_not_an_object_is_refused(tmp_path: Path, manifest: str) -> None:
    random_bundle().save(tmp_path)
    (tmp_path / "manifest.json").write_text(manifest, "latin-1")
    with pytest.raises(BundleError, match="not a model bundle"):
        bundles.load(tmp_path)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in tmp_path.iterdir():
            archive.write(file, file.name)
    with pytest.raises(BundleError, match="not a packed model bundle"):
        bundles.from_bytes(packed.getvalue())


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
        ({"threshold": None}, "float"),
        ({"alert_policy": {"medium": 0.1, "high": 0.2, "off": 0.3}}, "must rise"),
        ({"architecture": {"n_features": 3}}, "size mismatch"),
    ],
)
def test_a_bundle_that_this_program_cannot_use_is_refused(parts: dict[str, Any], why: str) -> None:
    with pytest.raises(BundleError, match=why):
        build(_changed(random_bundle(), **parts))


def test_other_data_than_a_bundle_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="trainer fit"):
        bundles.load(tmp_path)
    random_bundle().save(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(BundleError, match="trainer fit"):
        bundles.load(tmp_path)
    for wrong in (b"", b"PK\x03\x04 cut", random_bundle().to_bytes()[:1000]):
        with pytest.raises(BundleError, match="not a packed"):
            bundles.from_bytes(wrong)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("other", "")
    with pytest.raises(BundleError, match="not a packed"):
        bundles.from_bytes((tmp_path / "empty.zip").read_bytes())


def test_the_shipped_bundle_is_a_trained_one_with_its_figures() -> None:
    bundle = bundles.load(SHIPPED)
    assert build(bundle).model_id == bundle.model_id
    test = bundle.manifest["metrics"]["test"]
    assert test["utility"] >= 0.36
    assert test["auroc"] >= 0.80
    for name in ("utility", "auroc", "auprc"):
        low, high = test[f"{name}_ci"]
        assert low < test[name] < high
        assert f"{test[name]:.3f} [{low:.3f}, {high:.3f}]" in bundle.card
    assert set(test["by_site"]) == {"A", "B"}
    assert {"male", "female"} < set(bundle.manifest["metrics"]["subgroups"])
    assert bundle.manifest["data"]["n_patients"] == 32_419
    assert "CC BY 4.0" in bundle.card
    # The manifest is read on every start of the service and travels through Redis.
    assert len(json.dumps(bundle.manifest)) < 100_000
