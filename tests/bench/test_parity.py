"""Parity counts wrong hours, and its utility is that of `trainer evaluate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.parity import Parity, compare, offline_predictions, stay_hours, utility
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.metrics.definitions import Measure

HOLDS = Parity(9, 9, 0, 0, 0, 1e-6, 0.4321, 0.4325, 1.0)


def test_missing_repeated_and_unexpected_hours_are_counted() -> None:
    expected = {("a", 0): 0.1, ("a", 1): 0.2, ("b", 0): 0.3}
    streamed = [(("a", 0), 0.1), (("a", 0), 0.15), (("b", 0), 0.3), (("c", 0), 0.9)]
    missing, repeated, unexpected, largest = compare(streamed, expected)
    assert (missing, repeated, unexpected) == (1, 1, 1)
    assert largest == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"missing": 1}, False),
        ({"repeated": 1}, False),
        ({"unexpected": 1}, False),
        ({"largest_difference": 2e-5}, False),
        ({"streamed_utility": 0.4310}, False),
        ({"streamed_utility": np.nan, "offline_utility": np.nan}, True),  # nobody is septic
        ({"streamed_utility": np.nan}, False),
    ],
)
def test_parity_holds_within_its_tolerances(change: dict[str, float], holds: bool) -> None:
    assert replace(HOLDS, **change).holds is holds  # type: ignore[arg-type]


def test_the_utility_of_positive_hours_is_that_of_evaluate(tmp_path: Path) -> None:
    cohort = load_cohort([learnable_file(tmp_path, 20)])
    predictions = offline_predictions(cohort)
    positive = dict(zip(stay_hours(cohort), predictions.positive.tolist(), strict=True))
    offline_risks = Measure(predictions.scored()).figures()["utility"]
    assert utility(cohort, positive) == pytest.approx(offline_risks, rel=1e-12)
    assert utility(cohort, {}) == 0
    one_less = {**positive, next(hour for hour, yes in positive.items() if yes): False}
    assert utility(cohort, one_less) != utility(cohort, positive)
