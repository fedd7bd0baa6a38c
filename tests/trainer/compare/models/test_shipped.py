from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.bundles.bundle import Bundle
from tests.support.comparison import RECIPE, compare_tiny
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models.shipped import recipe_of
from trainer.data.training_patients import SeenPatients, seen_of
from trainer.errors import InputError


def test_a_bundle_of_other_patients_is_refused(data: Path, bundle: Bundle, tmp_path: Path) -> None:
    others = learnable_file(tmp_path, 160, seed=9)
    with pytest.raises(InputError, match="training and validation patients are not those"):
        compare_tiny(others, tmp_path, bundle)
    manifest = json.loads(json.dumps(bundle.manifest))
    ids = [f"p{i % 2}{i:05}" for i in range(160)]
    manifest["data"]["seen"] = SeenPatients.of(ids).to_text()
    manifest["data"].pop("seen_content", None)  # else the content tells them apart
    assert seen_of(manifest) is not None
    with pytest.raises(InputError, match="test patients served to fit it"):
        compare_tiny(data, tmp_path, replace(bundle, manifest=manifest))
    manifest["recipe"]["wings"] = 2
    with pytest.raises(InputError, match="not made by a recipe of this program"):
        compare_tiny(data, tmp_path, replace(bundle, manifest=manifest))


def test_a_knob_that_is_younger_than_the_bundle_has_its_default(bundle: Bundle) -> None:
    manifest = json.loads(json.dumps(bundle.manifest))
    del manifest["recipe"]["forecast_units"]
    assert recipe_of(replace(bundle, manifest=manifest)) == RECIPE
