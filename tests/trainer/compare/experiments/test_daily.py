from __future__ import annotations

import numpy as np
import pytest

from tests.support.compare_task import task_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.experiments.daily import daily
from trainer.compare.experiments.days import OUTCOMES, DailyRow
from trainer.compare.protocol.family import Task
from trainer.data.cohort import load_cohort
from trainer.data.labels import horizon_labels

SAME, NEXT, SEPTIC = OUTCOMES


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of(load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 400)]))


@pytest.fixture(scope="module")
def rows(task: Task) -> list[DailyRow]:
    return daily(task, None, np.zeros((task.material.cohort.n_rows, 3)))


def test_every_model_answers_every_question(rows: list[DailyRow]) -> None:
    asked = [(row["outcome"], row["name"]) for row in rows]
    assert len(set(asked)) == len(asked)
    assert [sum(row["outcome"] == outcome.name for row in rows) for outcome in OUTCOMES] == [
        3,
        3,
        5,
    ]


def test_the_hourly_network_is_asked_for_the_hours_that_are_left(task: Task) -> None:
    """At the end of a day, the next one ends in 24 hours: that head's own label is the answer."""
    cohort = task.material.cohort
    labels = horizon_labels(cohort.label, cohort.starts).astype(np.float64)
    by_outcome = {row["outcome"]: row for row in daily(task, None, labels) if "LSTM" in row["name"]}
    assert [outcome.hours_left for outcome in OUTCOMES] == [18, 24, 24]
    assert {row["name"] for row in by_outcome.values()} == {"hourly LSTM, 24 h head"}
    assert [by_outcome[outcome.name]["auroc"] for outcome in (NEXT, SEPTIC)] == [1, 1]


def test_the_daily_form_is_learned_and_a_constant_is_not(rows: list[DailyRow]) -> None:
    for row in rows:
        low, high = row["auroc_ci"]
        if "LSTM" in str(row["name"]):
            assert row["auroc"] == low == high == 0.5
        else:
            assert low <= row["auroc"] <= high
    onsets = [row["auroc"] for row in rows if "LSTM" not in str(row["name"])]
    assert np.mean(onsets) > 0.6


def test_a_question_without_two_answers_is_left_out(task: Task) -> None:
    cohort = task.material.cohort
    well = cohort.take(np.flatnonzero(~cohort.septic))
    assert daily(task_of(well)) == []
