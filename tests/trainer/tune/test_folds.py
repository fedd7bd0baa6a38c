from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from streamer.bundles import bundle as bundles
from tests.support.plain_fit import drawing_nothing
from tests.support.synthetic_cohort import QUICK, learnable_file
from trainer.data.cohort import load_cohort
from trainer.errors import InputError
from trainer.evaluate import evaluate
from trainer.fit import Stays
from trainer.progress import Reporter
from trainer.tune.folds import FILE, SHOWN, fit_folds

PLAIN = replace(QUICK, teacher_share=0.0, reading_epochs=1, epochs=1, forecast_epochs=0)


def test_every_patient_is_tested_once_and_figures_have_a_spread(
    tmp_path: Path,
) -> None:
    quiet = Reporter(Console(quiet=True))
    file = learnable_file(tmp_path, 60)
    with drawing_nothing():
        over = fit_folds(Stays(load_cohort([file])), tmp_path, PLAIN, 3, reporter=quiet)
    assert sum(part["n_patients"] for part in over.of_fold) == 60
    figures = over.over_folds()
    for name in SHOWN:
        assert figures[name]["mean"] == pytest.approx(np.mean([p[name] for p in over.of_fold]))
        assert figures[name]["low"] <= figures[name]["mean"] <= figures[name]["high"]
    assert json.loads((tmp_path / FILE).read_text())["over_folds"] == figures
    assert len(over.lines()) == len(SHOWN)
    second = bundles.load(tmp_path / "fold-2" / "bundle")
    again = evaluate(second, [file], reporter=quiet, patients="test").figures
    assert again["auroc"] == over.of_fold[1]["auroc"]


def test_two_folds_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 3"):
        fit_folds(Stays([]), tmp_path, QUICK, 2, reporter=Reporter(Console(quiet=True)))
