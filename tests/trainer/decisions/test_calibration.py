from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.decisions.calibration import FLATTEST_LINE, fit_calibrator, fit_platt
from trainer.metrics.calibration_error import expected_calibration_error

N = 60_000


def drawn(seed: int, true_logit: NDArray[np.float64]) -> NDArray[np.int64]:
    chance = np.random.default_rng(seed).random(len(true_logit))
    return (chance < 1 / (1 + np.exp(-true_logit))).astype(np.int64)


def logits(seed: int, n: int = N) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(-1, 1.5, n)


def applied(
    x: NDArray[np.float64], y: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.interp(at, x, y)))


def test_platt_finds_the_line_that_made_the_labels() -> None:
    x = logits(1)
    slope, intercept = fit_platt(x, drawn(2, 0.7 * x - 2))
    # Standard errors at 60,000 rows and 6 % positives are near 0.013 and 0.02: four of them.
    assert slope == pytest.approx(0.7, rel=0, abs=0.06)
    assert intercept == pytest.approx(-2, rel=0, abs=0.08)


def test_a_bent_truth_is_followed_where_a_line_cannot() -> None:
    x = logits(3)
    truth = -3 + 2 * np.tanh(x)
    label = drawn(4, truth)
    fresh = logits(5)
    fresh_label = drawn(6, -3 + 2 * np.tanh(fresh))
    slope, intercept = fit_platt(x, label)
    line = expected_calibration_error(fresh_label, 1 / (1 + np.exp(-(slope * fresh + intercept))))
    bent = expected_calibration_error(fresh_label, applied(*fit_calibrator(x, label), fresh))
    assert bent < line / 2
    # 20 bins of 3,000 rows, 7 % positive: a standard error of 0.005 each, by chance alone.
    assert bent < 0.005


@pytest.mark.parametrize(
    "case", ["plain", "noise", "reversed", "few", "none", "all", "separated", "constant", "steps"]
)
def test_the_map_rises_strictly_whatever_the_data(case: str) -> None:
    x = logits(7, 20_000)
    label = drawn(8, x - 2)
    if case == "noise":
        label = drawn(9, np.full(20_000, -2.0))
    elif case == "reversed":
        label = drawn(9, -x - 2)
    elif case == "few":
        x, label = x[:200], label[:200]
    elif case in ("none", "all"):
        label = np.full(20_000, int(case == "all"))
    elif case == "separated":
        label = (x > 1).astype(np.int64)
    elif case == "constant":
        x = np.full(20_000, -2.0)
    elif case == "steps":
        x = np.round(x)
    knots, calibrated = fit_calibrator(x, label)
    assert len(knots) == len(calibrated) >= 2
    assert np.isfinite(knots).all()
    assert np.isfinite(calibrated).all()
    assert (np.diff(knots) > 0).all()
    assert (np.diff(calibrated) > 0).all()
    if case != "reversed":  # there the best that rises is nearly flat
        mean = applied(knots, calibrated, x).mean()
        # The prior pulls a bin towards the line, whose own mean is right to its last step.
        assert mean == pytest.approx(label.mean(), rel=0.1, abs=1e-3)


def test_a_model_that_ranks_backwards_is_flattened_not_turned() -> None:
    x = logits(10)
    slope, intercept = fit_platt(x, drawn(11, -x - 2))
    assert slope == FLATTEST_LINE
    label = drawn(11, -x - 2)
    centre = 1 / (1 + np.exp(-(slope * x.mean() + intercept)))
    assert centre == pytest.approx(label.mean(), rel=1e-9)


def test_tails_go_on_with_the_slope_of_the_line() -> None:
    x = logits(12)
    label = drawn(13, 0.7 * x - 2)
    slope, _ = fit_platt(x, label)
    knots, calibrated = fit_calibrator(x, label)
    ends = np.diff(calibrated)[[0, -1]] / np.diff(knots)[[0, -1]]
    np.testing.assert_allclose(ends, slope, rtol=1e-9)
