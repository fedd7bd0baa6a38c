from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from tests.support.synthetic_cohort import learnable_file


def test_a_bundle_is_calibrated_for_a_site_and_promoted(trainer: Any, tmp_path: Path) -> None:
    site = learnable_file(tmp_path, 200)
    words = ["recalibrate", "--data", site, "--out", tmp_path, "--bootstrap", "5"]
    result = trainer(*words)
    assert result.code == 0, result.err
    assert f"before: {bundles.load(SHIPPED).shown_id}" in result.out
    assert "expected calibration error" in result.out
    assert "…" not in result.out
    recalibrated = json.loads(trainer(*words, "--json").out)
    assert recalibrated["model"][:12] in result.out
    promoted = trainer("models", "promote", tmp_path / "bundle", "--no-publish", "--json")
    assert json.loads(promoted.out)["champion"] == recalibrated["model"]
