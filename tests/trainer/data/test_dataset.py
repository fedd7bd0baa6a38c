from __future__ import annotations

import numpy as np
import pytest

from streamer.core import features
from streamer.core.cleaning import clean
from streamer.core.variables import INDEX
from streamer.datasets.cohort import Cohort
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.dataset import (
    LEAST_STD,
    Dataset,
    Material,
    build_features,
    fit_scaling,
    static_of,
)
from trainer.data.split import SIDES, side_of, split_patients


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 40)])


def test_features_are_those_of_the_streamer_stepped_hour_by_hour(cohort: Cohort) -> None:
    built = build_features(cohort)
    static = static_of(cohort)
    late_starts = 0
    for i in range(len(cohort)):
        memory = features.empty_memory(1)
        for row in range(cohort.starts[i], cohort.starts[i + 1]):
            bins = np.array([cohort.iculos[row] - 1], np.int32)
            seen, memory = features.step(
                clean(cohort.values[row : row + 1]), bins, static[i : i + 1], memory
            )
            np.testing.assert_array_equal(built[row], seen[0])
        late_starts += int(cohort.iculos[cohort.starts[i]] > 1)
    assert late_starts > 5  # stays that begin behind hour 1 were among them


def test_other_stays_in_the_cohort_change_nothing(cohort: Cohort) -> None:
    built = build_features(cohort)
    chosen = np.array([7, 3, 30])
    rows = np.concatenate([np.arange(cohort.starts[i], cohort.starts[i + 1]) for i in chosen])
    np.testing.assert_array_equal(build_features(cohort.take(chosen)), built[rows])


def test_the_future_changes_no_feature_of_the_past(cohort: Cohort) -> None:
    built = build_features(cohort)
    later = cohort.take(np.arange(len(cohort)))
    hour = 8
    changed = np.concatenate(
        [np.arange(later.starts[i] + hour, later.starts[i + 1]) for i in range(len(later))]
    )
    later.values[changed] += 1
    again = build_features(later)
    past = np.setdiff1d(np.arange(cohort.n_rows), changed)
    np.testing.assert_array_equal(again[past], built[past])
    assert (again[changed] != built[changed]).any()


def test_values_are_cleaned_as_events_are(cohort: Cohort) -> None:
    dirty = cohort.take(np.arange(3))
    dirty.values[0, INDEX["heart_rate"]] = 900
    dirty.values[0, INDEX["fio2"]] = 21
    built = build_features(dirty)
    assert np.isnan(built[0, features.NAMES.index("value:heart_rate")])
    assert built[0, features.NAMES.index("measured:heart_rate")] == 0
    assert built[0, features.NAMES.index("value:fio2")] == np.float32(0.21)


def test_static_input_is_coded_as_the_streamer_codes_it(cohort: Cohort) -> None:
    part = cohort.take(np.arange(4))
    part.sex[:] = ["female", "male", "unknown", "male"]
    part.icu_type[:] = ["medical", "surgical", "unknown", "medical"]
    static = static_of(part)
    np.testing.assert_array_equal(static[:, 0], part.age)
    np.testing.assert_array_equal(static[:, 1], np.array([0, 1, np.nan, 1], np.float32))
    np.testing.assert_array_equal(static[:, 2], np.array([0, 1, np.nan, 0], np.float32))


def test_scaling_comes_from_the_marked_rows_alone() -> None:
    draws = np.random.default_rng(3)
    built = draws.normal(5, 2, (200, 4)).astype(np.float32)
    built[draws.random((200, 4)) < 0.3] = np.nan
    built[:, 2] = np.nan
    built[:, 3] = 7 + LEAST_STD / 10 * draws.random(200).astype(np.float32)
    rows = draws.random(200) < 0.5
    scaling = fit_scaling(built, rows)
    # float32 sums of a hundred numbers around 5
    np.testing.assert_allclose(scaling.mean[:2], np.nanmean(built[rows, :2], axis=0), rtol=1e-5)
    np.testing.assert_allclose(scaling.std[:2], np.nanstd(built[rows, :2], axis=0), rtol=1e-5)
    assert (scaling.mean[2], scaling.std[2]) == (0, 1)
    assert scaling.std[3] == 1
    built[~rows] = 1e6
    again = fit_scaling(built, rows)
    np.testing.assert_array_equal(again.mean, scaling.mean)
    np.testing.assert_array_equal(again.std, scaling.std)


def test_a_dataset_counts_its_stays_alone(cohort: Cohort) -> None:
    built = build_features(cohort)
    dataset = Dataset(cohort, built, np.array([7, 3]))
    assert dataset.part.patient_ids == [cohort.patient_ids[7], cohort.patient_ids[3]]
    rows = [*range(*cohort.starts[7:9]), *range(*cohort.starts[3:5])]
    assert dataset.rows.tolist() == rows
    assert Dataset.whole(cohort, built).rows.tolist() == list(range(cohort.n_rows))


def test_the_sides_of_the_material_are_those_of_its_split(cohort: Cohort) -> None:
    built = build_features(cohort)
    split = split_patients(cohort.patient_ids)
    material = Material(cohort, built, fit_scaling(built, np.ones(len(built), bool)), split)
    for side in SIDES:
        assert {side_of(patient) for patient in material.side(side).part.patient_ids} == {side}
