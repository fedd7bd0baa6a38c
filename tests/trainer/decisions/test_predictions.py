from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from streamer.core.model import Model
from streamer.datasets.cohort import Cohort
from tests.support.small_models import random_model
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.decisions.alert_replay import alert_starts
from trainer.decisions.predictions import (
    cohort_logits,
    figures_of,
    predict,
    subgroup_figures,
    without_id,
)
from trainer.metrics.definitions import METRICS
from trainer.metrics.evaluation_json import report
from trainer.metrics.subgroups import subgroups

STAYS = np.array([9, 2, 30])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    cohort = load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 80)])
    return Dataset.whole(cohort, build_features(cohort))


@pytest.fixture(scope="module")
def cohort(whole: Dataset) -> Cohort:
    return whole.cohort


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model(seed=1)


def test_logits_of_some_stays_are_theirs_among_all(model: Model, whole: Dataset) -> None:
    some = Dataset(whole.cohort, whole.built, STAYS)
    progress: list[tuple[int, int]] = []
    logits = cohort_logits(model, some, lambda done, total: progress.append((done, total)))
    others = np.setdiff1d(whole.rows, some.rows)
    assert np.isnan(logits[others]).all()
    # Batches of other sizes add up in another order.
    np.testing.assert_allclose(logits[some.rows], cohort_logits(model, whole)[some.rows], atol=1e-5)
    assert progress == [(3, 3)]


def test_predictions_are_the_models_rules_on_its_risks(model: Model, whole: Dataset) -> None:
    some = Dataset(whole.cohort, whole.built, STAYS)
    predictions = predict(model, some)
    assert predictions.cohort.patient_ids == [whole.cohort.patient_ids[i] for i in STAYS]
    risks = model.risks(cohort_logits(model, some)[some.rows])
    np.testing.assert_array_equal(predictions.risks, risks)
    np.testing.assert_array_equal(predictions.positive, risks[:, 0] > model.threshold)
    starts = alert_starts(risks[:, 0], predictions.cohort.starts, model.policy)
    np.testing.assert_array_equal(predictions.alert_starts, starts)


def test_predictions_are_written_row_by_row(model: Model, whole: Dataset, tmp_path: Path) -> None:
    predictions = predict(model, whole)
    predictions.write(tmp_path / "p.parquet")
    table: Any = pq.read_table(tmp_path / "p.parquet")
    assert table.column_names == ["patient", "hour", "risk", "positive"]
    np.testing.assert_array_equal(table["risk"].to_numpy(), predictions.risks[:, 0])
    assert table["positive"].to_pylist() == predictions.positive.tolist()
    assert table["hour"].to_pylist() == whole.cohort.iculos.tolist()


def test_figures_are_the_report_of_the_scored_stays(model: Model, whole: Dataset) -> None:
    predictions = predict(model, whole)
    figures = figures_of(predictions, model, "abc", n_bootstrap=3)
    assert figures == report(
        predictions.scored(),
        threshold=model.threshold,
        alert_threshold=model.policy.medium,
        model="abc",
        n_bootstrap=3,
    )


def test_a_subgroup_has_the_figures_of_its_stays_alone(
    model: Model, whole: Dataset, cohort: Cohort
) -> None:
    by_group = subgroup_figures(predict(model, whole), model)
    groups = subgroups(cohort)
    assert list(by_group) == list(groups)
    assert {"female", "male"} <= set(groups)
    for name, stays in groups.items():
        alone = figures_of(predict(model, Dataset(cohort, whole.built, stays)), model, "")
        assert set(by_group[name]) == {"n_patients", "n_septic", "n_rows", *METRICS}
        assert by_group[name]["n_patients"] == len(stays) == alone["n_patients"]
        assert by_group[name]["auroc"] == pytest.approx(alone["auroc"], abs=1e-3)


def test_a_manifest_keeps_the_figures_without_the_bundles_id(model: Model, whole: Dataset) -> None:
    figures = figures_of(predict(model, whole), model, "abc")
    kept = without_id(figures)
    assert "abc" not in str(kept)
    assert {**kept, "model": "abc"}.keys() == figures.keys()
    for name, part in kept["by_site"].items():
        assert {**part, "model": "abc"} == figures["by_site"][name]
