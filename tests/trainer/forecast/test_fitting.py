"""A fit with a forecast head, from the files of stays to the figures in the card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from structlog.testing import capture_logs

from streamer.bundles.build import build
from streamer.service.stay_cache import StayCache
from tests.support.plain_fit import drawing_nothing
from tests.support.small_models import forecasting_model, random_bundle
from tests.support.synthetic_cohort import QUICK, learnable_file
from trainer.errors import NothingToEvaluate
from trainer.evaluate import evaluate
from trainer.fit import fit
from trainer.forecast.table import forecast_rows
from trainer.progress import Reporter

QUIET = Reporter(Console(quiet=True))


def test_a_fit_gives_a_head_and_says_how_good_it_is(tmp_path: Path) -> None:
    data = learnable_file(tmp_path)
    quick = replace(QUICK, teacher_share=0.0, reading_epochs=1, epochs=1)
    with drawing_nothing():
        fitted = fit([data], tmp_path / "with", quick, reporter=QUIET, n_bootstrap=5)
        without = fit(
            [data], tmp_path / "without", replace(quick, forecast_epochs=0), reporter=QUIET,
            n_bootstrap=0,
        ).bundle  # fmt: skip
    bundle, figures = fitted.bundle, fitted.bundle.manifest["metrics"]["forecast"]
    for row in forecast_rows(figures["test"]):
        assert "| " + " | ".join(row) + " |" in bundle.card
    assert np.array(figures["test"]["heart_rate"]["mae_minus_last_ci"]).shape == (6, 2)
    again = evaluate(bundle, [data], reporter=QUIET, patients="test", forecast=True)
    for name in ("mae", "mae_ar1_mean", "coverage"):
        ours, theirs = (
            by_vital["heart_rate"][name]
            for by_vital in (again.figures["forecast"], figures["test"])
        )
        assert ours == pytest.approx(theirs, abs=1e-3)  # coefficients are kept to six digits
    assert not any(name.startswith("less_than") for name in figures["test"]["heart_rate"])

    assert (bundle.has_forecast, without.has_forecast) == (True, False)
    assert "Forecast of vital signs" in bundle.card
    assert "Forecast of vital signs" not in without.card
    with pytest.raises(NothingToEvaluate, match="no forecast head"):
        evaluate(without, [data], reporter=QUIET, forecast=True)
    models = build(bundle), build(without)
    for name, value in models[0].network.weights.items():
        assert value.tobytes() == models[1].network.weights[name].tobytes(), name
    assert models[0].threshold == models[1].threshold
    assert models[0].policy == models[1].policy


def test_a_model_without_a_head_that_takes_over_is_told_once() -> None:
    held = StayCache(interval_ms=0, max_stays=0, forecast=True)
    bare = build(random_bundle())
    with capture_logs() as logs:
        held.scorer(forecasting_model())
        for _ in range(2):
            held.scorer(bare)
    assert [log["log_level"] for log in logs] == ["warning"]
    assert "no forecast" in logs[0]["event"]
