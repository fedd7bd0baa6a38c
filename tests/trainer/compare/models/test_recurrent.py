from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from streamer.core.features import N_FEATURES, NAMES
from streamer.datasets.cohort import Cohort
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models.cells import GRUD, Recurrent, lstm
from trainer.compare.models.columns import CONTEXT, EVERYTHING, MEASURED, SINCE, VALUE
from trainer.compare.models.inputs import with_decay
from trainer.compare.models.recurrent import FAMILIES
from trainer.compare.models.sequences import FittedSequence
from trainer.compare.protocol.family import Family, Task
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Material, build_features, fit_scaling
from trainer.data.split import split_patients
from trainer.metrics.ranking import auroc

QUICK = {"hidden": 8, "learning_rate": 3e-2, "dropout": 0.1, "epochs": 3}

families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def material_of(cohort: Cohort) -> Material:
    built = build_features(cohort)
    split = split_patients(cohort.patient_ids)
    return Material(
        cohort, built, fit_scaling(built, np.isin(cohort.patient_of_row, split.train)), split
    )


@cache
def material() -> Material:
    with TemporaryDirectory() as folder:
        return material_of(load_cohort([learnable_file(Path(folder), 300)]))


def fit(family: Family, task: Task) -> FittedSequence:
    fitted = family.fit(task, QUICK, None)
    assert isinstance(fitted, FittedSequence)
    return fitted


@cache
def fitted(place: int) -> FittedSequence:
    return fit(FAMILIES[place], Task(material(), 0, 1))


def fitted_to(family: Family) -> FittedSequence:
    return fitted(FAMILIES.index(family))


@families
def test_it_finds_what_there_is_to_learn(family: Family) -> None:
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


def test_the_best_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.5, 0.9, 0.7])
    monkeypatch.setattr(
        "trainer.compare.models.sequences._validation_score", lambda _: next(scores)
    )
    stays = material().split.validation
    kept = fit(FAMILIES[0], Task(material(), 0, 1)).scores(stays)
    scores = iter([0.9, 0.7, 0.5])
    first = fit(FAMILIES[0], Task(material(), 0, 1)).scores(stays)
    scores = iter([0.5, 0.7, 0.9])
    last = fit(FAMILIES[0], Task(material(), 0, 1)).scores(stays)
    assert not np.array_equal(kept, first, equal_nan=True)
    assert not np.array_equal(kept, last, equal_nan=True)


def test_progress_ends_where_it_said() -> None:
    told: list[tuple[int, int]] = []
    FAMILIES[0].fit(Task(material(), 0, 1), QUICK, lambda *step: told.append(step))
    assert [done for done, _ in told] == list(range(1, told[0][1] + 1))


def test_cells_are_compared_on_equal_inputs_and_budgets() -> None:
    by_name = {family.name: fitted_to(family) for family in FAMILIES}
    stay = np.arange(20)[:, None]
    rnn, gru, of_lstm = (
        by_name[name].read(material(), stay)
        for name in ("vanilla RNN", "GRU", "LSTM, masks and ages")
    )
    assert torch.equal(rnn, gru)
    assert torch.equal(rnn, of_lstm)
    assert rnn.shape == (20, 1, 3 * len(VALUE) + len(CONTEXT))
    assert len(FAMILIES[0].candidates) == 3
    assert all(family.candidates == FAMILIES[0].candidates for family in FAMILIES)


def test_the_ladder_of_the_lstm_rises_and_so_does_its_state() -> None:
    rungs = [family for family in FAMILIES if family.name.startswith("LSTM")]
    row = np.zeros((1, 1), int)
    inputs = [fitted_to(family).read(material(), row).shape[2] for family in rungs]
    assert inputs == [34 + 7, 3 * 34 + 7, N_FEATURES]
    # h, c; the hour and four demographics; last values; hours since; all that features need
    numbers = [2 * 8 + 5 + 34, 2 * 8 + 5 + 2 * 34, 2 * 8 + 5 + 4 * 34 + 3 * 8]
    assert [fitted_to(family).state_bytes for family in rungs] == [4 * n for n in numbers]


@pytest.mark.parametrize(
    "layer",
    [nn.RNN(16, 5), nn.GRU(16, 5), lstm(16, 5), GRUD(4, 4, 5)],
    ids=lambda layer: type(layer).__name__,
)
def test_a_stay_at_once_equals_the_chain_of_its_hours(layer: nn.Module) -> None:
    torch.manual_seed(3)
    network = Recurrent(layer, 5, dropout=0.5).eval()
    x = torch.randn(30, 2, 16).abs()
    with torch.inference_mode():
        whole, last = network(x)
        state = None
        for hour, expected in zip(x, whole, strict=True):
            logits, state = network(hour[None], state)
            # Another number of rows adds up in another order: float32 keeps some 1e-7 of 1.
            torch.testing.assert_close(logits[0], expected, atol=1e-5, rtol=0)
    assert state is not None
    torch.testing.assert_close(state, last, atol=1e-5, rtol=0)


def test_the_lstm_remembers_at_first() -> None:
    parameters = dict(lstm(3, 4).named_parameters())
    assert (parameters["bias_ih_l0"] + parameters["bias_hh_l0"]).tolist() == [0.0] * 4 + [
        1.0
    ] * 4 + [0.0] * 8


@pytest.mark.parametrize("measured", [False, True])
def test_gru_d_fades_as_the_paper_says(measured: bool) -> None:
    """One variable, two units, all weights known; the paper's equations one by one."""
    w_z, w_r, w_new = np.array([[0.3, -0.2]]), np.array([[-0.4, 0.6]]), np.array([[0.7, 0.1]])
    v_z, v_r, v_new = np.array([[0.2, 0.5]]), np.array([[0.1, -0.3]]), np.array([[-0.6, 0.4]])
    b_z, b_r, b_new = np.array([0.05, -0.1]), np.array([0.1, 0.2]), np.array([-0.2, 0.3])
    u_z, u_r = np.array([[0.8, -0.1], [0.3, 0.4]]), np.array([[-0.5, 0.9], [0.2, -0.7]])
    u_new = np.array([[0.9, -0.4], [0.6, 0.2]])
    fade_w, fade_b = np.array([0.25, 0.05]), np.array([-0.1, 0.2])
    cell = GRUD(1, 0, 2)
    given = np.vstack([np.hstack([w_z, w_r, w_new]), np.hstack([v_z, v_r, v_new])])
    for parameter, value in (
        (cell.input_fade, np.array([[0.5], [0.1]])),
        (cell.state_fade.weight, fade_w[:, None]),
        (cell.state_fade.bias, fade_b),
        (cell.given.weight, given.T),
        (cell.given.bias, np.hstack([b_z, b_r, b_new])),
        (cell.gates.weight, np.hstack([u_z, u_r]).T),
        (cell.candidate.weight, u_new.T),
    ):
        parameter.data = torch.from_numpy(value.astype(np.float32))
    last, days, before = 2.0, 3.0, np.array([0.6, -0.3])

    m = float(measured)
    seen = np.array([m * last + (1 - m) * np.exp(-(0.5 * days + 0.1)) * last])
    h = np.exp(-np.maximum(0, fade_w * days + fade_b)) * before
    z = 1 / (1 + np.exp(-(seen @ w_z + h @ u_z + m * v_z[0] + b_z)))
    r = 1 / (1 + np.exp(-(seen @ w_r + h @ u_r + m * v_r[0] + b_r)))
    new = np.tanh(seen @ w_new + (r * h) @ u_new + m * v_new[0] + b_new)
    with torch.no_grad():
        x = torch.tensor([[[last, m, days]]])
        states, after = cell(x, torch.from_numpy(before.astype(np.float32))[None, None])
    # float32 keeps some 1e-7 of 1
    np.testing.assert_allclose(after[0, 0], (1 - z) * h + z * new, atol=1e-6)
    assert torch.equal(states, after)


def test_gru_d_never_grows_what_it_remembers() -> None:
    """A weight below nought must not make a fade a rise: the paper's max(0, .)."""
    cell = GRUD(1, 0, 1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.state_fade.weight.fill_(-1.0)
        after = cell(torch.tensor([[[0.0, 0.0, 5.0]]]), torch.tensor([[[0.8]]]))[1]
    assert after.item() == pytest.approx(0.4)  # not faded; half of it goes to a candidate of 0


def test_days_since_measured_count_from_the_measurement_before() -> None:
    known = material()
    pulse, lactate = (NAMES.index(f"measured:{name}") for name in ("heart_rate", "lactate"))
    rows = np.arange(known.cohort.starts[5], known.cohort.starts[6])
    x = with_decay(known, rows[:, None])[:, 0]
    days = x[:, 2 * len(VALUE) : 3 * len(VALUE)].numpy()
    expected = np.zeros(len(rows))
    for feature in (pulse, lactate):
        measured = known.built[rows, feature] == 1
        assert measured.any()
        for hour in range(1, len(rows)):
            expected[hour] = 1 if measured[hour - 1] else expected[hour - 1] + 1
        np.testing.assert_allclose(days[:, feature - MEASURED[0]] * 24, expected, atol=1e-4)
    never = ~(known.built[rows][:, MEASURED] == 1).any(axis=0)
    np.testing.assert_allclose(days[:, never].T * 24, [np.arange(len(rows))] * never.sum())


def test_columns_are_those_that_are_meant() -> None:
    def all_begin(columns: NDArray[np.int64], prefix: str) -> bool:
        return len(columns) == 34 and all(NAMES[i].startswith(prefix) for i in columns)

    assert all_begin(VALUE, "value:")
    assert all_begin(MEASURED, "measured:")
    assert all_begin(SINCE, "log_hours_since:")
    assert [NAMES[i] for i in CONTEXT] == list(NAMES[-7:])
    assert len(EVERYTHING) == N_FEATURES
