from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from streamer.core.features import N_FEATURES, NAMES
from streamer.core.variables import BUILT_IN
from tests.support.compare_task import material_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models.inputs import inputs_of, with_decay
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Material

INPUTS = inputs_of(BUILT_IN)


@cache
def material() -> Material:
    with TemporaryDirectory() as folder:
        return material_of(load_cohort([learnable_file(Path(folder), 300)]))


def test_days_since_measured_count_from_the_measurement_before() -> None:
    known = material()
    pulse, lactate = (NAMES.index(f"measured:{name}") for name in ("heart_rate", "lactate"))
    rows = np.arange(known.cohort.starts[5], known.cohort.starts[6])
    x = with_decay(known, rows[:, None])[:, 0]
    days = x[:, 2 * len(INPUTS.value) : 3 * len(INPUTS.value)].numpy()
    expected = np.zeros(len(rows))
    for feature in (pulse, lactate):
        measured = known.built[rows, feature] == 1
        assert measured.any()
        for hour in range(1, len(rows)):
            expected[hour] = 1 if measured[hour - 1] else expected[hour - 1] + 1
        np.testing.assert_allclose(days[:, feature - INPUTS.measured[0]] * 24, expected, atol=1e-4)
    never = ~(known.built[rows][:, INPUTS.measured] == 1).any(axis=0)
    np.testing.assert_allclose(days[:, never].T * 24, [np.arange(len(rows))] * never.sum())


def test_columns_are_those_that_are_meant() -> None:
    def all_begin(columns: NDArray[np.int64], prefix: str) -> bool:
        return len(columns) == 34 and all(NAMES[i].startswith(prefix) for i in columns)

    assert all_begin(INPUTS.value, "value:")
    assert all_begin(INPUTS.measured, "measured:")
    assert all_begin(INPUTS.since, "log_hours_since:")
    assert [NAMES[i] for i in INPUTS.context] == list(NAMES[-7:])
    assert len(INPUTS.everything) == N_FEATURES
