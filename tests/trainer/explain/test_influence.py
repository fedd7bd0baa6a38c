from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.core.cleaning import clean
from streamer.core.variables import INDEX
from tests.support.explained_stay import one_stay
from tests.support.small_models import random_model, silenced
from trainer.data.dataset import build_features
from trainer.explain.explanation import Explanation
from trainer.explain.influence import Influence, Measurement, influences


def test_an_influence_is_the_difference_that_the_measurement_makes(
    tmp_path: Path, explanation: Explanation
) -> None:
    cohort, model = one_stay(tmp_path), random_model(3)
    lactate, pulse = explanation.influences
    assert lactate.measurement == Measurement(INDEX["lactate"], 5)
    assert (lactate.value, lactate.replaced) == (3.5, 16)
    assert pulse.measurement.row == explanation.peak
    for influence in explanation.influences:
        row = influence.measurement.row
        without = one_stay(tmp_path)
        without.values[row, influence.measurement.variable] = np.nan
        with_it, without_it = (
            model.logits(build_features(stay_)[:, None])[:, 0] for stay_ in (cohort, without)
        )
        np.testing.assert_allclose(influence.change, (with_it - without_it)[:, 0], atol=1e-5)
        np.testing.assert_allclose(influence.risk_without, model.risks(without_it)[:, 0], atol=1e-5)
        assert np.abs(influence.change[:row]).max(initial=0) == 0
        assert np.abs(influence.change[row:]).max() > 1e-3


def test_the_two_paths_of_an_influence_add_up(explanation: Explanation) -> None:
    for influence in explanation.influences:
        row = influence.measurement.row
        both = influence.by_features + influence.by_state
        np.testing.assert_allclose(both, influence.change, rtol=0, atol=1e-12)
        assert influence.by_state[row] == 0  # the state before the hour cannot know of it
        assert influence.by_state[row + 1] != 0
        assert influence.by_features[row] == influence.change[row]


def test_an_influence_has_no_state_part_if_the_head_ignores_the_state(tmp_path: Path) -> None:
    model, cohort = random_model(3), one_stay(tmp_path)
    model.network = silenced(model.network, "memory_head")
    (lactate,) = influences(model, cohort, clean(cohort.values), [Measurement(INDEX["lactate"], 5)])
    assert (lactate.by_state == 0).all()
    assert (lactate.by_features == lactate.change).all()
    assert lactate.change[5] != 0


@pytest.mark.parametrize(
    ("change", "hours"),
    [
        ([0, 0, 4, 3, 1, 1], 2),  # measured in row 2, weak from row 4 on
        ([0, 0, 1, -4, 1, 2, 1], 4),  # it fell below half and came back
        ([0, 0, 1, 2, 1], None),  # half is left at the end
        ([0, 0, 5], None),
    ],
)
def test_hours_until_half_of_an_influence_is_gone(change: list[float], hours: int | None) -> None:
    series = np.array(change, np.float64)
    influence = Influence(Measurement(0, 2), 80.0, None, series, series, 0 * series, series)
    assert influence.hours_to_half == hours
