from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import matplotlib.image
import pytest

from streamer.bundles.build import make
from streamer.bundles.manifest import Provenance
from tests.support.small_models import balanced, random_bundle, random_model
from tests.support.synthetic_cohort import learnable_file
from tests.support.synthetic_stays import Row, stay, write_parquet
from trainer.data.cohort import load_cohort
from trainer.data.known_stays import contents_of
from trainer.data.training_patients import SeenPatients
from trainer.explain.suggestions import Kind
from trainer.explain.text import NO_DRUGS


@pytest.fixture
def options(tmp_path: Path) -> list[object]:
    random_bundle(3).save(tmp_path / "bundle")
    return ["--data", learnable_file(tmp_path, 12), "--model", tmp_path / "bundle"]


def test_the_command_draws_and_explains(
    trainer: Any, options: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "stay.png"
    result = trainer("explain", "p000002", *options, "--out", out)
    assert result.code == 0, result.err
    assert result.out.startswith("p000002: hours ")
    assert NO_DRUGS in result.out
    for file in (out, tmp_path / "stay-influence.png"):
        assert str(file) in result.out
        assert matplotlib.image.imread(file).shape[1] == 1600


def test_json_has_a_value_for_each_hour(
    trainer: Any, options: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = trainer("explain", "p000002", *options, "--json", "--follow", "heart_rate")
    assert result.code == 0, result.err
    explanation = json.loads(result.out)
    n = len(explanation["hours"])
    series = [
        *explanation["risks"].values(),
        *explanation["contributions"].values(),
        *explanation["log_odds"].values(),
    ]
    series += [
        each
        for name in ("forget", "input", "output")
        for each in explanation["gates"][name].values()
    ]
    assert {len(each) for each in series} == {n}
    (influence,) = explanation["influences"]
    assert (influence["variable"], len(influence["change"])) == ("heart_rate", n)
    assert explanation["pictures"] == []
    assert not list(tmp_path.glob("*.png"))


def test_without_a_patient_stays_are_suggested(trainer: Any, options: list[object]) -> None:
    result = trainer("explain", *options, "--json", "--suggest", "2")
    assert result.code == 0, result.err
    named = json.loads(result.out)
    assert named
    assert max(sum(each["kind"] == kind for each in named) for kind in Kind) <= 2
    result = trainer("explain", *options)
    assert result.code == 0
    assert named[0]["patient"] in result.out


def test_a_training_patient_is_known_under_another_id(trainer: Any, tmp_path: Path) -> None:
    file = learnable_file(tmp_path, 80)
    cohort = load_cohort([file])
    model = balanced(random_model(3))
    seen = {
        "seen": SeenPatients.of([f"others-{i}" for i in range(80)]).to_text(),
        "seen_content": SeenPatients.of(contents_of(cohort)).to_text(),
    }
    make(model, cast(Provenance, {"data": seen}), "").save(tmp_path / "bundle")
    named = cohort.patient_ids[4]
    arguments = ["--data", file, "--model", tmp_path / "bundle", "--json"]
    result = trainer("explain", named, *arguments)
    assert result.code == 0, result.err
    assert f"{named}, known by its content under another id, which may flatter" in result.err
    other = learnable_file(tmp_path, 80, seed=7)
    result = trainer("explain", named, "--data", other, *arguments[2:])
    assert (result.code, result.err) == (0, "")


def test_an_unknown_patient_is_answered_with_similar_ids(
    trainer: Any, options: list[object]
) -> None:
    result = trainer("explain", "p00002", *options)
    assert (result.code, result.out) == (2, "")
    assert "no patient 'p00002' among these 12" in result.err
    assert "p000002" in result.err


def test_help_has_examples_and_what_is_not_explained(trainer: Any) -> None:
    page = trainer("explain", "--help").out
    for words in ("Examples", "trainer explain", "Drugs are not an input"):
        assert words in page


def test_plots_without_matplotlib_name_the_package_to_install(
    trainer: Any, options: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "trainer.explain.plots", None)
    monkeypatch.delattr("trainer.explain.plots", raising=False)
    result = trainer("explain", "p000002", *options, "--out", tmp_path / "stay.png")
    assert result.code == 2
    assert "vigil-icu[train]" in result.err
    assert trainer("explain", "p000002", *options, "--json").code == 0


def test_all_faults_are_reported_at_once(trainer: Any, tmp_path: Path) -> None:
    result = trainer("explain", "--model", tmp_path, "--out", "/none/stay.jpg", "--follow", "phh")
    assert result.code == 2
    for fault in (
        "--data is missing",
        f"--model {tmp_path}",
        "end in .png",
        "/none",
        "PATIENT",
        "phh",
    ):
        assert fault in result.err


def test_a_plot_file_that_is_a_folder_is_rejected_before_the_work(
    trainer: Any, options: list[object], tmp_path: Path
) -> None:
    (tmp_path / "folder.png").mkdir()
    result = trainer("explain", "p000002", *options, "--out", tmp_path / "folder.png")
    assert (result.code, result.out) == (2, "")
    assert "is a folder, not a file" in result.err


def test_an_id_may_be_anything(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = "[/b] 3/p.7 $x_{$2 " + "☃" * 100
    hours: dict[int, Row] = {hour: {"HR": 80.0 + hour} for hour in range(13)}
    data = write_parquet(tmp_path / "odd.parquet", {patient: stay(13, values=hours)})
    random_bundle(3).save(tmp_path / "bundle")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    options = ["--data", data, "--model", tmp_path / "bundle"]
    result = trainer("explain", *options)
    assert (result.code, result.err) == (0, "")
    assert patient[:8] in result.out  # the table breaks long ones
    result = trainer("explain", *options, "--", patient)
    assert (result.code, result.err) == (0, "")
    drawn = list((tmp_path / "here").iterdir())
    assert len(drawn) == 2
    assert all(file.name in result.out for file in drawn)
