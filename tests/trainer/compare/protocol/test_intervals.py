from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.support.comparison import Compared
from tests.support.scored_stays import random_scored
from trainer.compare.protocol.intervals import COMPARED, standings
from trainer.metrics.bootstrap import paired_intervals
from trainer.metrics.definitions import Measure


def test_a_verdict_follows_from_its_interval(compared: Compared) -> None:
    for model in (*compared.findings.families, *compared.findings.ablations):
        for metric in COMPARED:
            difference = model.standing.differences[metric]
            low, high = difference.low, difference.high
            assert low <= high
            assert difference.verdict == (
                "better" if low > 0 else "worse" if high < 0 else "no difference shown"
            )


def test_standings_are_paired_with_the_first() -> None:
    first, other = random_scored(1, 80), random_scored(1, 80)
    noise = np.random.default_rng(2).normal(0, 0.02, len(other.risk))
    other = replace(other, risk=np.clip(other.risk + noise, 1e-6, 1 - 1e-6))
    ranked = standings([first, other], 30)
    assert ranked[0].differences == {}
    expected = paired_intervals(Measure(other), Measure(first), 30)
    for name in COMPARED:
        difference = ranked[1].differences[name]
        assert (difference.low, difference.high) == expected[name]
        assert difference.value == ranked[1].figures[name] - ranked[0].figures[name]
    assert ranked[1].figures["n_patients"] == 80


def test_an_undefined_metric_is_none() -> None:
    flat = random_scored(1, 40)
    flat = replace(flat, risk=np.full(len(flat.risk), 0.1))
    figures = standings([flat], 5)[0].figures
    assert figures["calibration_slope"] is None
    assert "calibration_slope_ci" not in figures
    assert figures["auroc"] == 0.5
