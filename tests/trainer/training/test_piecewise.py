from __future__ import annotations

import numpy as np
import pytest

from streamer.core.model import CLIP
from streamer.datasets.cohort import Cohort
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.dataset import build_features, fit_scaling
from trainer.training.piecewise import LEAST_WIDTH, choose_piecewise_encoding


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 200)])


def test_pieces_come_from_the_rows_given_and_rise(cohort: Cohort) -> None:
    built = build_features(cohort)
    gain = np.random.default_rng(1).random((built.shape[1],))
    rows = np.arange(cohort.starts[100])
    scaling = fit_scaling(built, np.arange(len(built)) < len(rows))
    columns, edges = choose_piecewise_encoding(built, scaling, rows, gain, 12, 5)
    assert columns.shape == (12,)
    assert edges.shape == (12, 6)
    assert columns[0] == gain.argmax()
    # float32 keeps a width of 0.01 to 5e-7 within six standard deviations
    assert (np.diff(edges, axis=1) >= LEAST_WIDTH - 1e-6).all()
    assert np.abs(edges).max() <= CLIP + 5 * LEAST_WIDTH
    built[len(rows) :] = 1e6
    again = choose_piecewise_encoding(built, scaling, rows, gain, 12, 5)
    np.testing.assert_array_equal(again[0], columns)
    np.testing.assert_array_equal(again[1], edges)
