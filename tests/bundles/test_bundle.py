from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.bundles import bundle as bundles
from streamer.bundles.build import build, make
from streamer.bundles.bundle import SHIPPED, BundleError
from tests.support.small_models import random_bundle, random_model


def test_a_folder_gives_the_bundle_back(tmp_path: Path) -> None:
    bundle = random_bundle()
    bundle.save(tmp_path / "new")
    assert bundles.load(tmp_path / "new") == bundle
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "weights.safetensors",
        "manifest.json",
        "card.md",
        "known.json",
    }


def test_packed_bytes_give_the_bundle_back_and_are_always_the_same() -> None:
    bundle = random_bundle()
    assert bundles.from_bytes(bundle.to_bytes()) == bundle
    assert bundle.to_bytes() == random_bundle().to_bytes()


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
