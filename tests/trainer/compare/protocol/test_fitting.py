from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from tests.support.compare_task import task_of
from tests.support.synthetic_cohort import learnable_file
from tests.support.tiny_families import GOOD
from trainer.compare.protocol.family import Family, Fitted, Level, Settings, Task
from trainer.compare.protocol.fitting import fit_entry
from trainer.compare.protocol.results import HeldOut
from trainer.data.cohort import load_cohort


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of(load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 160)]), seed=3)


def test_the_candidate_that_is_best_on_validation_patients_is_taken(task: Task) -> None:
    steps: list[tuple[int, int]] = []
    entry = fit_entry(GOOD, task, HeldOut.of(task.material), 0.3, lambda *step: steps.append(step))
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
    entry = fit_entry(GOOD, task, held_out, 0.3)
    changed = fit_entry(
        GOOD, task_of(other, seed=3), HeldOut.of(task_of(other, seed=3).material), 0.3
    )
    assert changed.settings == entry.settings
    assert changed.operating_point.threshold == entry.operating_point.threshold
    assert changed.operating_point.policy == entry.operating_point.policy
    n = held_out.validation.n_rows
    np.testing.assert_array_equal(changed.score[:n], entry.score[:n])
    assert (changed.score[n:] != entry.score[n:]).any()
    np.testing.assert_array_equal(
        changed.operating_point.calibration.logits, entry.operating_point.calibration.logits
    )


def test_a_model_without_a_score_for_an_hour_is_refused(task: Task) -> None:
    @dataclass(frozen=True)
    class Silent:
        state_bytes: int = 0

        def scores(self, _: NDArray[np.int64]) -> NDArray[np.float64]:
            return np.full(task.material.cohort.n_rows, np.nan)

    def fit(_: Task, __: Settings, ___: Progress | None) -> Fitted:
        return Silent()

    silent = Family("silent", Level.REFERENCE, (), fit)
    with pytest.raises(ValueError, match="silent gave"):
        fit_entry(silent, task, HeldOut.of(task.material), 0.3)
