from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.data.rolling import (
    elapsed_hours,
    lagged,
    last_known,
    rolling_mean_std,
    rolling_reduce,
    rolling_sum,
)

STARTS = np.array([0, 7, 8, 20])
ELAPSED = elapsed_hours(STARTS)


@pytest.fixture
def values() -> NDArray[np.float32]:
    draws = np.random.default_rng(3)
    measured = draws.normal(5, 2, (20, 3)).astype(np.float32)
    measured[draws.random((20, 3)) < 0.4] = np.nan
    return measured


def windows(values: NDArray[np.float32], hours: int | None) -> list[NDArray[np.float32]]:
    """The rows of each window, the slow way."""
    first = STARTS[np.searchsorted(STARTS, np.arange(20), side="right") - 1]
    begins = first if hours is None else np.maximum(first, np.arange(20) - hours + 1)
    return [values[begin : row + 1] for row, begin in enumerate(begins)]


@pytest.mark.parametrize("hours", [1, 2, 3, 6, 30])
def test_extremes_are_those_of_the_window(values: NDArray[np.float32], hours: int) -> None:
    lowest = [np.fmin.reduce(window, axis=0) for window in windows(values, hours)]
    np.testing.assert_array_equal(rolling_reduce(np.fmin, values, hours, ELAPSED), lowest)


@pytest.mark.parametrize("hours", [1, 4, 30, None])
def test_sums_are_those_of_the_window(values: NDArray[np.float32], hours: int | None) -> None:
    sums = [np.nansum(window, axis=0) for window in windows(values, hours)]
    # float32 keeps seven digits of sums below a hundred.
    np.testing.assert_allclose(rolling_sum(values, hours, ELAPSED), sums, rtol=0, atol=1e-5)


def test_means_and_deviations_are_those_of_the_window(values: NDArray[np.float32]) -> None:
    for hours, (mean, std) in zip((2, 5), rolling_mean_std(values, (2, 5), ELAPSED), strict=True):
        known = ~np.isnan(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # windows without a value
            means = np.array([np.nanmean(window, axis=0) for window in windows(values, hours)])
            stds = np.array([np.nanstd(window, axis=0) for window in windows(values, hours)])
        np.testing.assert_allclose(mean[known], means[known], rtol=1e-5)
        np.testing.assert_allclose(std[known], stds[known], rtol=0, atol=1e-3)
        assert np.isnan(mean[~known]).all()


def test_nothing_reaches_over_the_start_of_a_stay(values: NDArray[np.float32]) -> None:
    before = lagged(values, 2, ELAPSED)
    np.testing.assert_array_equal(before[ELAPSED >= 2], values[np.flatnonzero(ELAPSED >= 2) - 2])
    assert np.isnan(before[ELAPSED < 2]).all()
    last, since = last_known(values, ELAPSED)
    for row, window in enumerate(windows(values, None)):
        for column in range(3):
            known = np.flatnonzero(~np.isnan(window[:, column]))
            if len(known):
                assert last[row, column] == window[known[-1], column]
                assert since[row, column] == len(window) - 1 - known[-1]
            else:
                assert np.isnan([last[row, column], since[row, column]]).all()
