from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.parity import Parity, compare, judged, places, utility
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.metrics.measures import Measure

HOLDS = Parity(9, 9, 0, 0, 0, 1e-6, 0.4321, 0.4325, 1.0)


def test_what_must_be_said_once_is_counted() -> None:
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
def test_when_it_holds(change: dict[str, float], holds: bool) -> None:
    assert replace(HOLDS, **change).holds is holds  # type: ignore[arg-type]


def test_the_utility_of_what_is_called_positive_is_that_of_evaluate(tmp_path: Path) -> None:
    cohort = load_cohort([learnable_file(tmp_path, 20)])
    verdicts = judged(cohort)
    said = dict(zip(places(cohort), verdicts.positive.tolist(), strict=True))
    offline = Measure(verdicts.scored()).figures()["utility"]
    assert utility(cohort, said) == pytest.approx(offline, rel=1e-12)
    assert utility(cohort, {}) == 0
    one_less = {**said, next(place for place, yes in said.items() if yes): False}
    assert utility(cohort, one_less) != utility(cohort, said)
