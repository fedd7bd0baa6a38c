"""The documented lines run, and say what the commands say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trainer
from streamer.bundles.build import make
from streamer.datasets.cohort import DataError
from streamer.datasets.physionet2019 import read_2019
from tests.support.paths import ROOT
from tests.support.plain_fit import drawing_nothing
from tests.support.small_models import random_model
from tests.support.synthetic_cohort import KNOBS, learnable_file
from trainer.data.training_patients import SeenPatients
from trainer.errors import InputError, WrongUsage
from trainer.notebook.frames import as_file, as_frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    learnable_file(folder, 120).rename(folder / "our_icu.parquet")
    return folder


def test_the_documented_lines_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/notebook.md").read_text(), re.DOTALL)
    quick = ", ".join(f"{name}={value}" for name, value in (k.split("=") for k in KNOBS))
    code = code.replace("epochs=5", quick)  # as it stands it takes minutes
    monkeypatch.chdir(folder)
    stays = trainer.load("our_icu.parquet")
    scores = stays[["patient"]].assign(hour=stays["ICULOS"], risk=stays["HR"].fillna(80))
    scores.sample(frac=1, random_state=0).to_csv("scores.csv", index=False)
    space: dict[str, pd.DataFrame] = {}
    with drawing_nothing():
        exec(code, space)
    assert len(space["risks"]) == len(space["stays"])
    assert list(space["risks"].columns[:5]) == [
        "patient",
        "hour",
        "risk_6h",
        "risk_24h",
        "risk_48h",
    ]
    assert space["figures"].loc["all", "auroc_low"] <= space["figures"].loc["all", "auroc"]
    table = space["table"]
    assert list(table.index) == ["own", "theirs"]
    assert table.loc["own", "utility_gain"] == 0
    assert (table["auroc"] > 0.6).all()


def test_frames_go_there_and_back(folder: Path) -> None:
    cohort = read_2019([folder / "our_icu.parquet"])
    with as_file(as_frame(cohort)) as file:
        again = read_2019([file])
    assert again.patient_ids == cohort.patient_ids
    for name in ("values", "label", "iculos", "age", "sex", "icu_type", "sites"):
        np.testing.assert_array_equal(getattr(again, name), getattr(cohort, name))


def test_predictions_keep_the_order_of_the_rows(folder: Path) -> None:
    stays = trainer.load(folder / "our_icu.parquet").drop(columns="SepsisLabel")
    turned = pd.concat([stay for _, stay in list(stays.groupby("patient"))[::-1]])
    risks = trainer.Model.from_pretrained().predict(turned)
    assert risks["patient"].tolist() == turned["patient"].tolist()
    assert risks["hour"].tolist() == turned["ICULOS"].tolist()


class Pulse:
    def predict(self, stays: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.asarray(stays["HR"].fillna(80), np.float64)


def test_own_models_are_compared_and_bad_scores_are_named(folder: Path) -> None:
    stays = trainer.load(folder / "our_icu.parquet")
    table = trainer.compare({"pulse": Pulse(), "shipped": trainer.Model.from_pretrained()}, stays)
    assert table.loc["pulse", "auroc"] > 0.6

    class Short:
        def predict(self, stays: pd.DataFrame) -> list[float]:
            return [0.0] * (len(stays) - 1)

    with pytest.raises(InputError, match=r"short: .* scores for"):
        trainer.compare({"short": Short()}, stays)
    with pytest.raises(InputError, match="no such file"):
        trainer.compare({"x": "absent.csv"}, stays)


def test_the_scale_of_a_models_scores_does_not_matter(folder: Path) -> None:
    stays = trainer.load(folder / "our_icu.parquet")
    pulse = Pulse().predict(stays)
    scales = {"a minute": pulse, "a day": 1440 * pulse, "risk": 1 / (1 + np.exp(4 - pulse / 40))}

    class Fixed:
        def __init__(self, scores: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
            self.scores = scores

        def predict(self, _: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            return self.scores

    table = trainer.compare({name: Fixed(s) for name, s in scales.items()}, stays, n_bootstrap=2)
    a_minute, a_day = table.loc["a minute"], table.loc["a day"]
    for name in ("utility", "ece", "alerts_per_patient_day", "calibration_slope"):
        assert a_day[name] == pytest.approx(a_minute[name], rel=1e-6), name
    assert table["utility"].nunique() == 1
    assert (table["ece"] < 0.05).all()


def test_a_model_that_knows_the_test_patients_is_refused(folder: Path) -> None:
    stays = trainer.load(folder / "our_icu.parquet")
    shipped = trainer.Model.from_pretrained()
    seen = SeenPatients.of(stays["patient"].unique().tolist()).to_text()
    knows = make(
        random_model(seed=1), {"data": {**shipped.bundle.manifest["data"], "seen": seen}}, ""
    )
    with pytest.raises(InputError, match=r"flatterer was fitted on \d+ of the \d+ test patients"):
        trainer.compare({"shipped": shipped, "flatterer": trainer.Model(knows)}, stays)


def test_faults_are_those_of_the_commands(folder: Path) -> None:
    stays = trainer.load(folder / "our_icu.parquet")
    with pytest.raises(DataError, match="missing column HR"):
        trainer.predict(trainer.Model.from_pretrained(), stays.drop(columns="HR"))
    with pytest.raises(WrongUsage, match="no knob size"):
        trainer.fit(stays, folder / "out", size=3)


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    program = (
        "import sys, trainer, trainer.fit, trainer.evaluate\n"
        "before = 'pandas' in sys.modules\n"
        "print(before, callable(trainer.fit), callable(trainer.evaluate))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=60, check=True, env={**os.environ},
    )  # fmt: skip
    assert ended.stdout.split() == ["False", "True", "True"]
    with pytest.raises(AttributeError, match="nothing"):
        _ = trainer.nothing  # type: ignore[attr-defined]
