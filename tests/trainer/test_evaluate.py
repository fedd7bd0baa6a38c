from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from streamer.bundles.build import build
from streamer.bundles.bundle import Bundle
from streamer.core import features
from streamer.core.cleaning import clean
from tests.support.plain_fit import drawing_nothing
from tests.support.small_models import random_bundle
from tests.support.synthetic_cohort import QUICK, learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.dataset import static_of
from trainer.data.split import side_of
from trainer.decisions.alert_replay import alert_starts
from trainer.errors import NothingToEvaluate
from trainer.evaluate import evaluate
from trainer.fit import fit
from trainer.metrics.definitions import METRICS
from trainer.metrics.utility import normalized_utility
from trainer.progress import Reporter

QUIET = Reporter(Console(quiet=True))


def _listening() -> tuple[Reporter, io.StringIO]:
    output = io.StringIO()
    return Reporter(Console(file=output, width=1000)), output


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def bundle(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("fit")
    with drawing_nothing():
        return fit([data], out, QUICK, reporter=QUIET, n_bootstrap=0).bundle


def test_offline_risks_are_those_of_stepping_hour_by_hour(data: Path, bundle: Bundle) -> None:
    predictions = evaluate(bundle, [data], reporter=QUIET).predictions
    model, cohort = build(bundle), load_cohort([data])
    assert predictions.cohort.patient_ids == cohort.patient_ids
    static = static_of(cohort)
    size = model.architecture
    for i in range(len(cohort)):
        memory = features.empty_memory(1)
        h = c = np.zeros((1, size.layers, size.hidden), np.float32)
        for row in range(cohort.starts[i], cohort.starts[i + 1]):
            bins = np.array([cohort.iculos[row] - 1], np.int32)
            values = clean(cohort.values[row : row + 1])
            seen, memory = features.step(values, bins, static[i : i + 1], memory)
            logits, h, c = model.step(seen, h, c)
            # A risk is rounded to 7 decimals; a sum in another order may tip one of them.
            np.testing.assert_allclose(
                predictions.risks[row], model.risks(logits)[0], rtol=0, atol=2e-7
            )


def test_figures_are_those_of_the_contract(data: Path, bundle: Bundle) -> None:
    evaluation = evaluate(bundle, [data], reporter=QUIET, n_bootstrap=5)
    figures, cohort = evaluation.figures, load_cohort([data])
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert {f"{name}_ci" for name in METRICS} < set(figures)
    model = build(bundle)
    assert (figures["threshold"], figures["alert_threshold"], figures["model"]) == (
        model.threshold,
        model.policy.medium,
        bundle.model_id,
    )
    risk = evaluation.predictions.risks[:, 0]
    assert figures["utility"] == normalized_utility(
        cohort.label, cohort.starts, risk > model.threshold
    )
    starts = alert_starts(risk, cohort.starts, model.policy).sum()
    assert figures["alerts_per_patient_day"] == pytest.approx(starts / cohort.n_rows * 24)
    assert set(figures["by_site"]) == {"A", "B"}
    n = {name: part["n_patients"] for name, part in figures["by_site"].items()}
    assert n["A"] + n["B"] == figures["n_patients"] == len(cohort)


def test_predictions_are_written_row_by_row(data: Path, bundle: Bundle, tmp_path: Path) -> None:
    evaluation = evaluate(bundle, [data], reporter=QUIET)
    evaluation.predictions.write(tmp_path / "p.parquet")
    table: Any = pq.read_table(tmp_path / "p.parquet")
    assert table.column_names == ["patient", "hour", "risk", "positive"]
    cohort = load_cohort([data])
    patients = [cohort.patient_ids[i] for i in cohort.patient_of_row]
    assert table["patient"].to_pylist() == patients
    assert table["hour"].to_pylist() == cohort.iculos.tolist()
    risk = table["risk"].to_numpy()
    assert (risk == risk.round(7)).all()
    assert table["positive"].to_pylist() == (risk > bundle.manifest["threshold"]).tolist()


def test_patients_of_the_training_are_warned_of(data: Path, bundle: Bundle) -> None:
    reporter, output = _listening()
    n_fitted_on = sum(side_of(p) != "test" for p in load_cohort([data]).patient_ids)
    evaluate(bundle, [data], reporter=reporter)
    assert f"warning: bundle {bundle.shown_id} was fitted on" in output.getvalue()
    n_matched = int(output.getvalue().split("fitted on ")[1].split()[0])
    assert n_fitted_on <= n_matched <= 80


def test_the_test_side_and_new_patients_are_not_warned_of(
    data: Path, bundle: Bundle, tmp_path: Path
) -> None:
    reporter, output = _listening()
    side = evaluate(bundle, [data], reporter=reporter, patients="test")
    everybody = load_cohort([data]).patient_ids
    assert side.predictions.cohort.patient_ids == [p for p in everybody if side_of(p) == "test"]
    new = learnable_file(tmp_path, 80, seed=9, first_id=5000)
    assert evaluate(bundle, [new], reporter=reporter).figures["n_patients"] == 80
    assert "warning" not in output.getvalue()


def test_a_bundle_that_does_not_say_how_it_was_split(data: Path) -> None:
    reporter, output = _listening()
    evaluate(random_bundle(), [data], reporter=reporter)
    assert "does not say" in output.getvalue()
    with pytest.raises(NothingToEvaluate, match="how its patients were split"):
        evaluate(random_bundle(), [data], reporter=reporter, patients="test")


def test_no_patient_on_the_test_side(tmp_path: Path, bundle: Bundle) -> None:
    ids = range(10_000, 10_200)
    patient = next(i for i in ids if side_of(f"p{i % 2}{i:05}") == "train")
    file = learnable_file(tmp_path, 1, first_id=patient)
    with pytest.raises(NothingToEvaluate, match="test side"):
        evaluate(bundle, [file], reporter=QUIET, patients="test")
