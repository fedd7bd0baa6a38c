from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from streamer.datasets.physionet2019 import read_2019
from tests.support.small_models import random_bundle
from tests.support.synthetic_cohort import learnable_file
from tests.support.synthetic_stays import Row, stay, write_parquet
from trainer import cli
from trainer.decisions.predictions import Predictions
from trainer.explain.suggestions import Kind, suggest
from trainer.explain.text import NO_DRUGS


def test_stays_of_each_kind_are_suggested(tmp_path: Path) -> None:
    hours = 30
    stays = {name: stay(hours, 20 if name[1] == "s" else None) for name in ("xs1", "xs2", "xn1")}
    stays |= {"xn2": stay(hours), "xn3": stay(hours + 1), "xs3": stay(3, 0)}
    cohort = read_2019([write_parquet(tmp_path / "s.parquet", stays)])
    alert_starts = np.zeros(cohort.n_rows, np.bool_)
    for patient in ("xs1", "xn1"):
        alert_starts[cohort.rows(cohort.patient_ids.index(patient)).start + 10] = True
    risks = np.repeat(np.linspace(0.01, 0.02, cohort.n_rows)[:, None], 3, axis=1)
    found = suggest(Predictions(cohort, risks, 0.5, alert_starts), 1)
    assert [(each.kind, each.patient) for each in found] == [
        (Kind.FORESEEN, "xs1"),
        (Kind.MISSED, "xs2"),
        (Kind.FALSE_ALARM, "xn1"),
        (Kind.QUIET, "xn3"),  # the longer of two
    ]
    assert (found[0].onset_hour, found[0].lead_hours) == (27, 16)
    assert (found[1].lead_hours, found[2].onset_hour) == (None, None)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trainer", "explain", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    monkeypatch.delenv("TRAINER_DATA", raising=False)
    return run


@pytest.fixture
def given(tmp_path: Path) -> list[object]:
    random_bundle(3).save(tmp_path / "bundle")
    return ["--data", learnable_file(tmp_path, 12), "--model", tmp_path / "bundle"]


def test_the_command_draws_and_reads_out(trainer: Any, given: list[object], tmp_path: Path) -> None:
    out = tmp_path / "stay.png"
    code, told, errors = trainer("p000002", *given, "--out", out)
    assert code == 0, errors
    assert told.startswith("p000002: hours ")
    assert NO_DRUGS in told
    for file in (out, tmp_path / "stay-influence.png"):
        assert str(file) in told
        assert matplotlib.image.imread(file).shape[1] == 1600


def test_the_command_answers_programs(
    trainer: Any, given: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, told, errors = trainer("p000002", *given, "--json", "--follow", "heart_rate")
    assert code == 0, errors
    said = json.loads(told)
    n = len(said["hours"])
    series = [*said["risks"].values(), *said["contributions"].values(), *said["log_odds"].values()]
    series += [
        each for name in ("forget", "input", "output") for each in said["gates"][name].values()
    ]
    assert {len(each) for each in series} == {n}
    (influence,) = said["influences"]
    assert (influence["variable"], len(influence["change"])) == ("heart_rate", n)
    assert said["pictures"] == []
    assert not list(tmp_path.glob("*.png"))


def test_without_a_patient_the_command_names_some(trainer: Any, given: list[object]) -> None:
    code, told, errors = trainer(*given, "--json", "--suggest", "2")
    assert code == 0, errors
    named = json.loads(told)
    assert named
    assert max(sum(each["kind"] == kind for each in named) for kind in Kind) <= 2
    code, told, _ = trainer(*given)
    assert code == 0
    assert named[0]["patient"] in told


def test_an_unknown_patient_is_answered_with_some_that_exist(
    trainer: Any, given: list[object]
) -> None:
    code, told, errors = trainer("p00002", *given)
    assert (code, told) == (2, "")
    assert "no patient 'p00002' among these 12" in errors
    assert "p000002" in errors


def test_help_is_honest_and_loads_nothing_that_computes() -> None:
    program = (
        "import sys; from trainer.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'matplotlib')))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, "explain", "--help"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    for words in ("Examples", "trainer explain", "Drugs are no input"):
        assert words in told


def test_pictures_without_matplotlib_say_what_to_install(
    trainer: Any, given: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "trainer.explain.plots", None)
    monkeypatch.delattr("trainer.explain.plots", raising=False)
    code, _, errors = trainer("p000002", *given, "--out", tmp_path / "stay.png")
    assert code == 2
    assert "vigil-icu[train]" in errors
    assert trainer("p000002", *given, "--json")[0] == 0


def test_what_cannot_be_is_said_at_once(trainer: Any, tmp_path: Path) -> None:
    code, _, errors = trainer("--model", tmp_path, "--out", "/none/stay.jpg", "--follow", "phh")
    assert code == 2
    for fault in (
        "--data is missing",
        f"--model {tmp_path}",
        "end in .png",
        "/none",
        "PATIENT",
        "phh",
    ):
        assert fault in errors


def test_a_picture_that_cannot_be_written_is_said_before_the_work(
    trainer: Any, given: list[object], tmp_path: Path
) -> None:
    (tmp_path / "folder.png").mkdir()
    code, told, errors = trainer("p000002", *given, "--out", tmp_path / "folder.png")
    assert (code, told) == (2, "")
    assert "is a folder, not a picture" in errors


def test_an_id_may_be_anything(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = "[/b] 3/p.7 $x_{$2 " + "☃" * 100
    hours: dict[int, Row] = {hour: {"HR": 80.0 + hour} for hour in range(13)}
    data = write_parquet(tmp_path / "odd.parquet", {patient: stay(13, values=hours)})
    random_bundle(3).save(tmp_path / "bundle")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    given = ["--data", data, "--model", tmp_path / "bundle"]
    code, told, errors = trainer(*given)
    assert (code, errors) == (0, "")
    assert patient[:8] in told  # the table breaks long ones
    code, told, errors = trainer(*given, "--", patient)
    assert (code, errors) == (0, "")
    drawn = list((tmp_path / "here").iterdir())
    assert len(drawn) == 2
    assert all(file.name in told for file in drawn)
