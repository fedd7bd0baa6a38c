from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.model import CLIP, DECIMALS, Calibration, Model, Scaling
from tests.support.small_models import POLICY, random_model

Floats = NDArray[np.float64]


def calibration(*knots: tuple[float, float]) -> Calibration:
    logits, calibrated = zip(*knots, strict=True)
    return Calibration(np.array(logits), np.array(calibrated))


def test_scaling_clips_and_puts_the_mean_where_nothing_is_known() -> None:
    scaling = Scaling(np.array([10, 0], np.float32), np.array([2, 1], np.float32))
    raw = np.array([[12, np.nan], [1000, -1000], [10, np.inf]], np.float32)
    before = raw.tobytes()
    assert scaling.apply(raw).tolist() == [[1, 0], [CLIP, -CLIP], [0, CLIP]]
    assert raw.tobytes() == before


def test_a_calibration_meets_its_knots_and_goes_on_beyond_them() -> None:
    line = calibration((-1, -2), (0, 0), (2, 1))
    assert line.apply(np.array([-2.0, -1, -0.5, 0, 1, 2, 4])).tolist() == [-4, -2, -1, 0, 0.5, 1, 2]


def test_a_calibration_keeps_the_order_of_risks() -> None:
    rng = np.random.default_rng(0)
    knots = np.cumsum(rng.uniform(0.01, 1, (2, 8)), axis=1) - 4
    logits = np.sort(rng.uniform(-20, 20, 500))
    assert (np.diff(Calibration(knots[0], knots[1]).apply(logits)) > 0).all()


@pytest.mark.parametrize(
    ("logits", "calibrated"),
    [
        ([0, 0], [0, 1]),
        ([0, 1], [1, 1]),
        ([0, 1], [1, 0]),
        ([0], [0]),
        ([], []),
        ([0, 1, 2], [0, 1]),
    ],
)
def test_a_calibration_that_could_change_the_order_is_refused(
    logits: list[float], calibrated: list[float]
) -> None:
    with pytest.raises(ValueError, match="rise strictly"):
        Calibration(np.array(logits, np.float64), np.array(calibrated, np.float64))


def test_a_model_needs_a_calibration_for_each_horizon() -> None:
    base = random_model()
    with pytest.raises(ValueError, match="one calibration for each"):
        Model("m", base.network, base.scaling, base.calibrations[:2], 0.5, POLICY)


def test_risks_are_rounded_probabilities_that_never_fall_with_the_horizon() -> None:
    model = random_model()
    logits = np.random.default_rng(1).normal(0, 3, (7, 50, 3))
    risks = model.risks(logits)
    assert risks.shape == logits.shape
    assert (np.diff(risks, axis=-1) >= 0).all()
    assert (risks[..., 0] == (1 / (1 + np.exp(-logits[..., 0]))).round(DECIMALS)).all()


def test_extreme_logits_are_zero_and_one_without_a_warning() -> None:
    steep = calibration((0, 0), (1e-6, 1))
    base = random_model()
    model = Model("m", base.network, base.scaling, (steep,) * 3, 0.5, POLICY)
    assert model.risks(np.array([[-50.0] * 3, [50.0] * 3])).tolist() == [[0] * 3, [1] * 3]


@pytest.mark.parametrize("layers", [1, 2])
def test_stepping_equals_the_whole_sequence(layers: int) -> None:
    model = random_model(7, layers=layers)
    n_features = model.architecture.n_features
    rng = np.random.default_rng(2)
    seen = rng.uniform(-10, 80, (25, 4, n_features)).astype(np.float32)
    seen[rng.random(seen.shape) < 0.3] = np.nan
    h = np.zeros((4, layers, 8), np.float32)
    c = np.zeros_like(h)
    stepped = []
    for row in seen:
        logits, h, c = model.step(row, h, c)
        stepped.append(logits)
    # As in test_network: sums in another order, a few units in the last place of float32.
    assert np.abs(np.array(stepped) - model.logits(seen)).max() <= 1e-6
    assert h.shape == c.shape == (4, layers, 8)


def test_a_step_leaves_its_arguments_alone() -> None:
    model = random_model()
    seen = np.full((2, model.architecture.n_features), np.nan, np.float32)
    h, c = np.ones((2, 2, 1, 8), np.float32)
    model.step(seen, h, c)
    assert np.isnan(seen).all()
    assert (h == 1).all()
    assert (c == 1).all()
