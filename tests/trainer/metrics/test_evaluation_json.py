from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.scored_stays import random_scored
from trainer.metrics.bootstrap import intervals
from trainer.metrics.definitions import METRICS, Measure
from trainer.metrics.evaluation_json import report

CONTRACT = {
    "n_patients",
    "n_septic",
    "n_rows",
    "utility",
    "auroc",
    "auprc",
    "patient_auroc",
    "ece",
    "brier",
    "calibration_slope",
    "threshold",
    "alert_threshold",
    "ppv_at_80_sensitivity",
    "alerts_per_patient_day",
    "lead_hours_median",
    "model",
}


def test_every_promised_key_is_there_also_by_site() -> None:
    scored = random_scored(21)
    figures = report(scored, threshold=0.1, alert_threshold=0.3, model="abc")
    assert set(figures) >= CONTRACT | {"by_site"}
    assert not any(name.endswith("_ci") for name in figures)
    by_site = figures["by_site"]
    assert isinstance(by_site, dict)
    assert set(by_site) == {"A", "B"}
    for site, part in by_site.items():
        assert set(part) >= CONTRACT
        assert part["auroc"] == Measure(scored.at_site(site)).figures()["auroc"]
        assert part["n_patients"] == 150
    assert (figures["n_patients"], figures["n_rows"]) == (300, len(scored.label))
    septic = np.maximum.reduceat(scored.label, scored.starts[:-1])
    assert figures["n_septic"] == septic.sum() == sum(part["n_septic"] for part in by_site.values())
    assert (figures["threshold"], figures["alert_threshold"], figures["model"]) == (0.1, 0.3, "abc")


def test_intervals_stand_beside_their_metric_when_asked_for() -> None:
    scored = random_scored(22, 60)
    figures = report(
        scored, threshold=0.1, alert_threshold=0.3, model="abc", n_bootstrap=30, seed=4
    )
    expected = intervals(Measure(scored), 30, seed=4)
    assert {name: figures[f"{name}_ci"] for name in METRICS} == {
        name: list(ends) for name, ends in expected.items()
    }


def test_the_report_is_json_also_where_figures_are_missing() -> None:
    scored = random_scored(23, 40)
    healthy = scored.take(
        np.flatnonzero(np.maximum.reduceat(scored.label, scored.starts[:-1]) == 0)[::2]
    )
    figures = report(healthy, threshold=0.1, alert_threshold=0.3, model="abc", n_bootstrap=5)
    again = json.loads(json.dumps(figures, allow_nan=False))
    assert again["auroc"] is None
    assert again["auroc_ci"] == [None, None]
    assert again["brier"] == pytest.approx(float(np.mean(healthy.risk**2)))
