"""No leaks: neither the future, nor a test patient, nor a label reaches a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console
from safetensors.torch import load as load_weights

from streamer.bundles import bundle as bundles
from streamer.bundles.build import build
from streamer.bundles.bundle import SHIPPED, Bundle
from streamer.bundles.manifest import FORECAST
from streamer.core import features
from streamer.core.model import Floats, Model
from streamer.core.stays import layout
from streamer.core.variables import INDEX
from streamer.datasets.cohort import Cohort, DataError
from streamer.feeds.replay import replay
from tests.support.event_stream import ORIGIN_MS, Stream, assert_same
from tests.support.plain_fit import drawing_nothing
from tests.support.synthetic_cohort import QUICK, learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, Material, build_features, fit_scaling
from trainer.data.split import SIDES, Side, Split, side_of, split_patients
from trainer.data.training_patients import seen_of
from trainer.decisions.operating_point import calibrate
from trainer.decisions.predictions import predict
from trainer.fit import fit
from trainer.metrics.ranking import auroc
from trainer.progress import Reporter
from trainer.training.loop import train, trained
from trainer.training.teacher import fit_teacher

QUIET = Reporter(Console(quiet=True))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Equal threads, equal sums."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_drawn() -> Iterator[None]:
    with drawing_nothing():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def cohort(data: Path) -> Cohort:
    return load_cohort([data])


@pytest.fixture(scope="module")
def fitted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    torch.set_num_threads(1)
    return fit([data], tmp_path_factory.mktemp("fit"), QUICK, reporter=QUIET, n_bootstrap=0).bundle


# The future


@pytest.mark.parametrize("bundle_name", ["shipped", "fitted"])
def test_the_future_changes_no_risk_and_no_alert_of_the_past(
    bundle_name: str, cohort: Cohort, fitted: Bundle
) -> None:
    model = build(bundles.load(SHIPPED) if bundle_name == "shipped" else fitted)
    stays, hour = np.arange(len(cohort)), 8
    hour_of_row = np.arange(cohort.n_rows) - cohort.starts[cohort.patient_of_row]
    past = hour_of_row < hour
    before = predict(model, Dataset.whole(cohort, build_features(cohort)))

    other = cohort.take(stays)
    other.values[~past] = other.values[~past][::-1] + 1
    other.values[~past, INDEX["lactate"]] = 9
    after = predict(model, Dataset.whole(other, build_features(other)))
    np.testing.assert_array_equal(after.risks[past], before.risks[past])
    np.testing.assert_array_equal(after.alert_starts[past], before.alert_starts[past])
    assert (after.risks[~past] != before.risks[~past]).mean() > 0.9


# The sides


def test_a_patient_in_two_files_is_refused_and_not_put_on_two_sides(tmp_path: Path) -> None:
    some = learnable_file(tmp_path, 40)
    overlapping = learnable_file(tmp_path, 40, seed=1, first_id=39)
    with pytest.raises(DataError, match="p100039 is given twice"):
        fit([some, overlapping], tmp_path / "out", QUICK, reporter=QUIET)
    assert not (tmp_path / "out").exists()


def test_a_bundle_has_seen_no_patient_of_the_test_side(cohort: Cohort, fitted: Bundle) -> None:
    seen = seen_of(fitted.manifest)
    assert seen is not None
    sides: dict[str, list[str]] = {side: [] for side in SIDES}
    for patient in cohort.patient_ids:
        sides[side_of(patient)].append(patient)
    assert seen.count(sides["train"]) == len(sides["train"]) > 0
    assert seen.count(sides["validation"]) == len(sides["validation"]) > 0
    assert seen.count(sides["test"]) == 0  # the filter errs for one in 120, not for these


def turned(file: Path, side: Side, to: Path) -> Path:
    """The same stays with other values and labels for all patients of one side."""
    table: Any = pq.read_table(file)
    here = np.array([side_of(patient) == side for patient in table["patient"].to_pylist()])
    assert here.any()
    turns: dict[str, Callable[[Any], Any]] = {
        "HR": lambda x: 300 - x,
        "Temp": lambda x: 75 - x,
        "Age": lambda x: 110 - x,
        "Gender": lambda x: 1 - x,
        "SepsisLabel": lambda x: x[::-1],  # there are septic patients as before, but others
    }
    for name, turn in turns.items():
        values = table[name].to_numpy().copy()
        values[here] = turn(values[here])
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.array(values))
    pq.write_table(table, to)
    return to


def test_test_patients_leave_no_trace_in_the_model(
    data: Path, fitted: Bundle, tmp_path: Path
) -> None:
    file = turned(data, "test", tmp_path / "turned.parquet")
    other = fit([file], tmp_path, QUICK, reporter=QUIET, n_bootstrap=0).bundle
    assert other.weights == fitted.weights
    reported = {"metrics", "data", "model"}  # figures of the test side, counts, and the id
    assert {k: v for k, v in other.manifest.items() if k not in reported} == {
        k: v for k, v in fitted.manifest.items() if k not in reported
    }
    assert other.manifest["data"]["fitted_on"] == fitted.manifest["data"]["fitted_on"]
    assert other.manifest["metrics"] != fitted.manifest["metrics"]


def test_validation_patients_choose_an_epoch_and_train_nothing(
    data: Path, fitted: Bundle, tmp_path: Path
) -> None:
    """They choose the epoch of the LSTM; scaling, pieces and encoder do not depend on them."""
    file = turned(data, "validation", tmp_path / "turned.parquet")
    other = fit([file], tmp_path, QUICK, reporter=QUIET, n_bootstrap=0).bundle
    assert other.manifest["scaling"] == fitted.manifest["scaling"]
    before, after = load_weights(fitted.weights), load_weights(other.weights)
    # The forecast is read off the LSTM, and its own epoch and intervals are chosen like the rest.
    follows = ("lstm", "memory_head", f"{FORECAST}.")
    taught = [name for name in before if not name.startswith(follows)]
    assert {"binned", "edges"} < set(taught)
    assert all(torch.equal(before[name], after[name]) for name in taught)
    for chosen in ("calibration", "threshold", "alert_policy"):
        assert other.manifest[chosen] != fitted.manifest[chosen]


# Labels

HOURS = 4
N_STAYS, FRACTIONS = 15_000, (0.07, 0.03, 0.90)
N_PERMUTATIONS = 4


def separable_cohort() -> Cohort:
    """Short stays of one length, half of them ill and septic from their first hour to the last.

    So each stay has one label, and the hour says nothing about it.
    """
    draws = np.random.default_rng(0)
    septic = draws.random(N_STAYS) < 0.5
    ill = np.repeat(septic, HOURS)
    values = np.full((N_STAYS * HOURS, len(INDEX)), np.nan, np.float32)
    values[:, INDEX["heart_rate"]] = draws.normal(80, 10, len(ill)) + 15 * ill
    values[:, INDEX["temperature"]] = draws.normal(37, 0.5, len(ill)) + 0.5 * ill
    return Cohort(
        [f"stay-{i}" for i in range(N_STAYS)],
        np.arange(N_STAYS + 1) * HOURS,
        values,
        np.tile(np.arange(1, HOURS + 1, dtype=np.int32), N_STAYS),
        ill.astype(np.int8),
        draws.uniform(20, 90, N_STAYS).astype(np.float32),
        draws.choice(["female", "male"], N_STAYS),
        draws.choice(["medical", "surgical"], N_STAYS),
        draws.uniform(0, 100, N_STAYS).astype(np.float32),
    )


def auroc_of_a_fit(cohort: Cohort, built: Floats, split: Split) -> float:
    """AUROC on the test side after teacher, training and calibration."""
    recipe = replace(QUICK, epochs=1, fractions=FRACTIONS)
    rows = np.isin(cohort.patient_of_row, split.train)
    material = Material(cohort, built, fit_scaling(built, rows), split)
    run = train(material, recipe, fit_teacher(material, recipe, threads=1))
    model = calibrate(
        trained(run, recipe).in_numpy(),
        material.scaling,
        material.side("validation"),
        recipe.alert_budget,
    ).model
    predictions = predict(model, material.side("test"))
    return auroc(predictions.cohort.label, predictions.risks[:, 0])


def test_permuted_labels_give_an_auroc_of_one_half() -> None:
    """AUROC is 0.5 to 0.01 when labels go to other patients at random.

    The hours of a stay go together, so what counts is patients: of m septic and m other ones the
    AUROC of a model that knows nothing has a standard error of at most sqrt((2 m + 1) / 12) / m
    (Mann and Whitney 1947). 0.01 must be four of them.
    """
    cohort = separable_cohort()
    split = split_patients(cohort.patient_ids, fractions=FRACTIONS)
    m = len(split.test) / 2
    assert 4 * np.sqrt((2 * m + 1) / 12) / m / np.sqrt(N_PERMUTATIONS) < 0.01
    built = build_features(cohort)  # of values alone: the same with any labels
    assert auroc_of_a_fit(cohort, built, split) > 0.8, "with its own labels there is much to find"

    areas = []
    for seed in range(N_PERMUTATIONS):
        permuted = cohort.take(np.arange(N_STAYS))
        order = np.random.default_rng([seed, N_STAYS]).permutation(N_STAYS)
        permuted.label[:] = cohort.label.reshape(N_STAYS, HOURS)[order].ravel()
        areas.append(auroc_of_a_fit(permuted, built, split))
    assert np.mean(areas) == pytest.approx(0.5, rel=0, abs=0.01), areas


def test_the_label_is_not_part_of_a_stay(cohort: Cohort, fitted: Bundle) -> None:
    model = build(fitted)
    carried = [*features.NAMES, *layout(model.architecture), *INDEX]
    assert not [name for name in carried if "label" in name or "sepsis" in name]
    some = cohort.take(np.arange(6))
    labelled, relabelled = _streamed(model, some), _streamed(model, _relabelled(some))
    assert labelled.messages == relabelled.messages
    assert len(labelled.messages) >= some.n_rows
    for patient in some.patient_ids:
        assert_same(labelled.committed(patient), relabelled.committed(patient))
    np.testing.assert_array_equal(build_features(_relabelled(some)), build_features(some))


def _relabelled(cohort: Cohort) -> Cohort:
    other = cohort.take(np.arange(len(cohort)))
    other.label[:] = 1 - other.label
    return other


def _streamed(model: Model, cohort: Cohort) -> Stream:
    """A stream that has taken a replay's events; the outcomes belong to another topic."""
    stream = Stream(model)
    events = [message.value for message in replay(cohort, ORIGIN_MS) if message.topic == "vitals"]
    stream.take(*events)
    return stream
