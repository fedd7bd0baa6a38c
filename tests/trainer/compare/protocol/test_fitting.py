from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.datasets.cohort import Cohort, Progress
from tests.support.scored_stays import random_scored
from tests.support.synthetic_cohort import learnable_file
from tests.support.tiny_families import GOOD
from trainer.compare.experiments.transfer import at_hospital, can_cross
from trainer.compare.protocol.family import Family, Fitted, Level, Settings, Task
from trainer.compare.protocol.fitting import enter
from trainer.compare.protocol.intervals import COMPARED, standings
from trainer.compare.protocol.results import HeldOut
from trainer.data.cohort import load_cohort, stays_of_site
from trainer.data.dataset import Material, build_features, fit_scaling
from trainer.data.split import split_patients
from trainer.metrics.bootstrap import paired_intervals
from trainer.metrics.measures import Measure


def task_of(cohort: Cohort) -> Task:
    built = build_features(cohort)
    split = split_patients(cohort.patient_ids)
    scaling = fit_scaling(built, np.isin(cohort.patient_of_row, split.train))
    return Task(Material(cohort, built, scaling, split), seed=3, threads=1)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of(load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 160)]))


def test_the_candidate_that_is_best_on_validation_patients_is_taken(task: Task) -> None:
    steps: list[tuple[int, int]] = []
    entry = enter(GOOD, task, HeldOut.of(task.material), 0.3, lambda *step: steps.append(step))
    assert entry.settings == GOOD.candidates[1]
    qualities = [attempt.quality for attempt in entry.attempts]
    assert int(np.argmax(qualities)) == 1
    assert [attempt.settings for attempt in entry.attempts] == list(GOOD.candidates)
    assert len(steps) == 3
    assert entry.microseconds > 0


def test_test_patients_choose_nothing(task: Task) -> None:
    cohort, split = task.material.cohort, task.material.split
    of_test = np.isin(cohort.patient_of_row, split.test)
    other = replace(
        cohort,
        label=np.where(of_test, 1 - cohort.label, cohort.label).astype(np.int8),
        values=np.where(of_test[:, None], 300 - cohort.values, cohort.values),
    )
    held_out = HeldOut.of(task.material)
    entry = enter(GOOD, task, held_out, 0.3)
    changed = enter(GOOD, task_of(other), HeldOut.of(task_of(other).material), 0.3)
    assert changed.settings == entry.settings
    assert changed.operating_point.threshold == entry.operating_point.threshold
    assert changed.operating_point.policy == entry.operating_point.policy
    n = held_out.validation.n_rows
    np.testing.assert_array_equal(changed.score[:n], entry.score[:n])
    assert (changed.score[n:] != entry.score[n:]).any()
    np.testing.assert_array_equal(
        changed.operating_point.calibration.logits, entry.operating_point.calibration.logits
    )


def test_a_model_that_says_nothing_of_an_hour_is_refused(task: Task) -> None:
    @dataclass(frozen=True)
    class Silent:
        state_bytes: int = 0

        def scores(self, _: NDArray[np.int64]) -> NDArray[np.float64]:
            return np.full(task.material.cohort.n_rows, np.nan)

    def fit(_: Task, __: Settings, ___: Progress | None) -> Fitted:
        return Silent()

    silent = Family("silent", Level.REFERENCE, (), fit)
    with pytest.raises(ValueError, match="silent gave"):
        enter(silent, task, HeldOut.of(task.material), 0.3)


def test_a_hospital_has_its_own_patients_and_scaling(task: Task) -> None:
    assert can_cross(task.material)
    here = at_hospital(task, "A").material
    of_a = set(stays_of_site(here.cohort, "A").tolist())
    whole = task.material.split
    assert set(here.split.train.tolist()) == of_a & set(whole.train.tolist())
    assert set(here.split.validation.tolist()) == of_a & set(whole.validation.tolist())
    rows = here.rows_of(here.split.train)
    pulse = np.nanmean(here.built[rows, 0], dtype=np.float64)
    assert here.scaling.mean[0] == pytest.approx(pulse, rel=1e-6)  # float32 keeps 7 digits
    assert here.scaling.mean[0] != task.material.scaling.mean[0]


def test_one_hospital_alone_cannot_be_left(task: Task) -> None:
    cohort = task.material.cohort
    alone = task_of(cohort.take(stays_of_site(cohort, "A")))
    assert not can_cross(alone.material)


def test_standings_are_paired_with_the_first() -> None:
    first, other = random_scored(1, 80), random_scored(1, 80)
    noise = np.random.default_rng(2).normal(0, 0.02, len(other.risk))
    other = replace(other, risk=np.clip(other.risk + noise, 1e-6, 1 - 1e-6))
    placed = standings([first, other], 30)
    assert placed[0].differences == {}
    assert placed[0].verdict("auroc") is None
    expected = paired_intervals(Measure(other), Measure(first), 30)
    for name in COMPARED:
        assert placed[1].differences[f"{name}_ci"] == expected[name]
        by = placed[1].figures[name] - placed[0].figures[name]
        assert placed[1].differences[name] == by
    assert placed[1].figures["n_patients"] == 80


def test_what_cannot_be_measured_is_none() -> None:
    flat = random_scored(1, 40)
    flat = replace(flat, risk=np.full(len(flat.risk), 0.1))
    figures = standings([flat], 5)[0].figures
    assert figures["calibration_slope"] is None
    assert "calibration_slope_ci" not in figures
    assert figures["auroc"] == 0.5
