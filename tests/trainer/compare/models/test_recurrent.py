from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from streamer.core.features import N_FEATURES
from tests.support.compare_task import material_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models.inputs import inputs_of
from trainer.compare.models.recurrent import RECURRENT
from trainer.compare.models.sequences import FittedSequence
from trainer.compare.protocol.family import Family, Task
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Material, build_features
from trainer.metrics.ranking import auroc

QUICK = {"hidden": 8, "learning_rate": 3e-2, "dropout": 0.1, "epochs": 3}


families = pytest.mark.parametrize("family", RECURRENT, ids=lambda family: family.name)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@cache
def material() -> Material:
    with TemporaryDirectory() as folder:
        return material_of(load_cohort([learnable_file(Path(folder), 300)]))


def fit(family: Family, task: Task) -> FittedSequence:
    fitted = family.fit(task, QUICK, None)
    assert isinstance(fitted, FittedSequence)
    return fitted


@cache
def fitted(index: int) -> FittedSequence:
    return fit(RECURRENT[index], Task(material(), 0, 1))


def fitted_to(family: Family) -> FittedSequence:
    return fitted(RECURRENT.index(family))


@families
def test_each_family_learns_the_synthetic_signal(family: Family) -> None:
    stays = material().split.test
    scores = fitted_to(family).scores(stays)
    rows = material().rows_of(stays)
    assert np.isnan(np.delete(scores, rows)).all()
    assert auroc(material().cohort.label[rows], scores[rows]) > 0.8


@families
def test_an_hour_is_scored_from_it_and_those_before_it(family: Family) -> None:
    cohort = material().cohort
    stays = material().split.validation
    hour = np.arange(cohort.n_rows) - np.repeat(cohort.starts[:-1], cohort.lengths)
    future = hour >= 7
    changed = cohort.take(np.arange(len(cohort)))
    changed.values[future] *= 1.3
    changed.label[future] ^= 1
    built = build_features(changed)
    # The scaling is the training's own: it is no part of what is asked.
    asked = replace(material(), cohort=changed, built=built)
    before = fitted_to(family).scores(stays)
    after = replace(fitted_to(family), material=asked).scores(stays)
    shown = np.isin(cohort.patient_of_row, stays)
    np.testing.assert_array_equal(after[shown & ~future], before[shown & ~future])
    assert (after[shown & future] != before[shown & future]).all()


@families
def test_seed_and_training_make_the_network_and_test_patients_do_not(family: Family) -> None:
    known = material()
    stays = known.split.validation
    hidden = np.isin(known.cohort.patient_of_row, known.split.test)
    label = known.cohort.label.copy()
    label[hidden] ^= 1
    built = known.built.copy()
    built[hidden] = 1e3
    without = replace(known, cohort=replace(known.cohort, label=label), built=built)
    expected = fitted_to(family).scores(stays)
    again = fit(family, Task(without, 0, 1)).scores(stays)
    np.testing.assert_array_equal(again, expected)
    other = fit(family, Task(known, 1, 1)).scores(stays)
    assert not np.array_equal(other, expected, equal_nan=True)


def test_cells_are_compared_on_equal_inputs_and_budgets() -> None:
    by_name = {family.name: fitted_to(family) for family in RECURRENT}
    stay = np.arange(20)[:, None]
    rnn, gru, of_lstm = (
        by_name[name].read(material(), stay)
        for name in ("vanilla RNN", "GRU", "LSTM, masks and ages")
    )
    assert torch.equal(rnn, gru)
    assert torch.equal(rnn, of_lstm)
    inputs = inputs_of(material().cohort.variables)
    assert rnn.shape == (20, 1, 3 * len(inputs.value) + len(inputs.context))
    assert len(RECURRENT[0].candidates) == 3
    assert all(family.candidates == RECURRENT[0].candidates for family in RECURRENT)


def test_the_ladder_of_the_lstm_rises_and_so_does_its_state() -> None:
    rungs = [family for family in RECURRENT if family.name.startswith("LSTM")]
    row = np.zeros((1, 1), int)
    inputs = [fitted_to(family).read(material(), row).shape[2] for family in rungs]
    assert inputs == [34 + 7, 3 * 34 + 7, N_FEATURES]
    # h, c; the hour and four demographics; last values; hours since; all that features need
    numbers = [2 * 8 + 5 + 34, 2 * 8 + 5 + 2 * 34, 2 * 8 + 5 + 4 * 34 + 3 * 8]
    assert [fitted_to(family).state_bytes for family in rungs] == [4 * n for n in numbers]
