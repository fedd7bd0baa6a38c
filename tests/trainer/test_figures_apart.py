"""Every figure of `trainer evaluate` equals one computed apart, and a mutant of it does not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from streamer.bundles.build import build, make
from streamer.bundles.bundle import Bundle
from streamer.bundles.manifest import Figures
from streamer.core.model import Calibration, Model
from tests.support.mutated_code import with_change
from tests.support.plain_figures import Policy, Stay, plain_figures, plain_intervals
from tests.support.small_models import random_model
from tests.support.synthetic_stays import Row, stay, write_parquet
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.decisions.predictions import cohort_logits
from trainer.evaluate import evaluate
from trainer.metrics.definitions import METRICS
from trainer.progress import Reporter

N_BOOTSTRAP = 4
SEED = 2019
COUNTS = ("n_patients", "n_septic", "n_rows")

# Sums of some thousand doubles in another order.
ROUNDING = 1e-12
# Both searches for the line stop where a step is small: of a replicate at 1e-5, which is squared.
LINE = 1e-7


@dataclass
class Measured:
    """An evaluation as its files have it, and its stays as the plain figures take them."""

    figures: Figures
    model: Model
    dataset: Dataset
    stays: list[Stay]


def swinging_file(folder: Path) -> Path:
    """Stays of up to four days whose pulse swings, so that alerts start, rise and end often."""
    draws = np.random.default_rng(4)
    stays = {}
    for i in range(60):
        hours = int(draws.integers(8, 96))
        pulse = 85 + np.cumsum(draws.normal(0, 6, hours)) + draws.normal(0, 25, hours)
        values: dict[int, Row] = {
            h: {"HR": round(float(np.clip(rate, 30, 200)), 1)} for h, rate in enumerate(pulse)
        }
        positive = int(draws.integers(0, hours)) if draws.random() < 0.5 else None
        stays[f"s{i:03}"] = stay(hours, positive, int(draws.integers(1, 4)), None, values)
    file = write_parquet(folder / "stays.parquet", stays)
    table = pq.read_table(file)
    names = [str(name) for name in table["patient"].to_pylist()]
    sites = pa.array(["AB"[int(name[-1]) % 2] for name in names], pa.string())
    pq.write_table(table.append_column("site", sites), file)
    return file


def lively_bundle(dataset: Dataset) -> Bundle:
    """A bundle of random weights whose risks of these stays cross all thresholds often."""
    model = random_model(5)
    logits = cohort_logits(model, dataset)[:, 0]
    middle, spread = float(np.median(logits)), float(logits.std())
    line = Calibration(np.array([-1.0, 1.0]), (np.array([-1.0, 1.0]) - middle) * 2 / spread - 1)
    model.calibrations = (line,) * 3
    return make(model, {}, "")


def plain_stays(data: Path, predictions: Path, manifest: dict[str, Any]) -> list[Stay]:
    """Stays from the files alone: labels and sites from the data, risks from the predictions."""
    rows = pq.read_table(data, columns=["patient", "site", "ICULOS", "SepsisLabel"]).to_pylist()
    scored = pq.read_table(predictions).to_pylist()
    risks = {(row["patient"], row["hour"]): row["risk"] for row in scored}
    by_patient: dict[str, list[Any]] = {}
    for row in rows:
        by_patient.setdefault(row["patient"], []).append(row)
    policy = Policy(**{name: manifest["alert_policy"][name] for name in ("off", "medium", "high")})
    stays = []
    for patient, hours in sorted(by_patient.items()):
        risk = [risks[patient, int(row["ICULOS"])] for row in hours]
        positive = [p > manifest["threshold"] for p in risk]
        label = [int(row["SepsisLabel"]) for row in hours]
        stays.append(Stay(hours[0]["site"], label, risk, positive, policy))
    return stays


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("measured")
    data = swinging_file(folder)
    cohort = load_cohort([data])
    dataset = Dataset.whole(cohort, build_features(cohort))
    bundle = lively_bundle(dataset)
    evaluation = evaluate(
        bundle, [data], reporter=Reporter(Console(quiet=True)), n_bootstrap=N_BOOTSTRAP
    )
    evaluation.predictions.write(folder / "p.parquet")
    manifest = json.loads(json.dumps(bundle.manifest))
    stays = plain_stays(data, folder / "p.parquet", manifest)
    return Measured(evaluation.figures, build(bundle), dataset, stays)


def differences(figures: Figures, expected: dict[str, float]) -> set[str]:
    """Names of the figures that are not as expected."""
    return {
        name
        for name, value in expected.items()
        if figures[name]
        != pytest.approx(value, rel=0, abs=LINE if name.startswith("calibration_") else ROUNDING)
    }


def test_every_figure_equals_one_computed_apart(measured: Measured) -> None:
    figures = measured.figures
    assert not differences(figures, plain_figures(measured.stays))
    for name in ("A", "B"):
        at_site = plain_figures([stay for stay in measured.stays if stay.site == name])
        assert not differences(figures["by_site"][name], at_site)
    for name, ends in plain_intervals(measured.stays, N_BOOTSTRAP, SEED).items():
        if name in METRICS:
            tolerance = LINE if name.startswith("calibration_") else ROUNDING
            assert figures[f"{name}_ci"] == pytest.approx(ends, rel=0, abs=tolerance), name
    own = {"threshold", "alert_threshold", "model", "patients", "by_site"}
    assert figures["threshold"] == measured.model.threshold
    assert figures["alert_threshold"] == measured.stays[0].policy.medium
    assert set(figures) == {*own, *COUNTS, *METRICS, *(f"{name}_ci" for name in METRICS)}


MODULES = (
    "streamer.core.alerts",
    "trainer.data.labels",
    "trainer.metrics.calibration_error",
    "trainer.metrics.ranking",
    "trainer.metrics.utility",
    "trainer.metrics.definitions",
    "trainer.metrics.bootstrap",
    "trainer.metrics.evaluation_json",
    "trainer.decisions.alert_replay",
    "trainer.decisions.predictions",
)
"""Those that an evaluation's figures come from, each after those that it imports."""

ALERTS, LABELS, ERROR, RANKING, UTILITY, METRIC, DRAWS, JSON, REPLAY, PREDICT = MODULES

MUTANTS = [
    ("n_patients", JSON, "len(part.patient_ids)", "len(part.label)"),
    ("n_septic", JSON, "np.maximum.reduceat(part.label, part.starts[:-1])", "part.label"),
    ("n_rows", JSON, '"n_rows": len(part.label)', '"n_rows": len(part.starts)'),
    ("utility", UTILITY, "DT_LATE: Final = 3.0", "DT_LATE: Final = 2.0"),
    ("utility", UTILITY, "FALSE_POSITIVE: Final = -0.05", "FALSE_POSITIVE: Final = -0.04"),
    ("utility", PREDICT, "risks[:, 0] > self.threshold", "risks[:, 0] > 0.51"),
    ("utility", LABELS, "LABEL_LEAD_HOURS: Final = 6", "LABEL_LEAD_HOURS: Final = 5"),
    ("auroc", RANKING, "(called - true)) / 2", "(called - true))"),
    ("auprc", RANKING, "(called > 0, called, 1)", "(called > 0, called + 1, 1)"),
    ("patient_auroc", METRIC, "np.maximum.reduceat(risk, first)", "risk[first]"),
    ("ece", ERROR, "ECE_BINS: Final = 20", "ECE_BINS: Final = 10"),
    ("ece", ERROR, 'method="higher"', 'method="lower"'),
    ("brier", METRIC, "(risk - label) ** 2", "abs(risk - label)"),
    ("calibration_slope", ERROR, "np.log(inside) - np.log1p(-inside)", "np.log(inside)"),
    ("calibration_intercept", METRIC, "line()[1]", "-line()[1]"),
    ("ppv_at_80_sensitivity", RANKING, "sensitivity: float = 0.8", "sensitivity: float = 0.79"),
    ("alerts_per_patient_day", METRIC, "rows / 24", "rows / 25"),
    ("alerts_per_patient_day", ALERTS, "LOCKOUT_MS: Final = 12", "LOCKOUT_MS: Final = 11"),
    ("alerts_per_patient_day", ALERTS, "(~locked | (level > state.peak))", "~locked"),
    ("alert_sensitivity", METRIC, "(~np.isneginf(lead))", "(lead > 0)"),
    ("alert_ppv", METRIC, "LEAD_WINDOW_HOURS: Final = 48.0", "LEAD_WINDOW_HOURS: Final = 40.0"),
    ("lead_hours_median", METRIC, "half = so_far[-1] / 2", "half = so_far[-1] / 3"),
    ("alerted_within_48h", METRIC, "near = on & (hours >= -LEAD_WINDOW_HOURS)", "near = on"),
    ("alerted_at_onset", METRIC, "(hours == 0) |", "(hours == 1) |"),
    ("alerted_at_onset", REPLAY, "(phases == Phase.END)", "(phases == Phase.ESCALATE)"),
    ("non_septic_stays_alerted", METRIC, "(on, first) * self._other", "(on, first)"),
    ("non_septic_hours_alerted", METRIC, "self._rows * self._other", "self._rows"),
    ("non_septic_hours_alerted", ALERTS, "risk < policy.off", "risk < policy.medium"),
]


@pytest.mark.parametrize(
    ("figure", "module", "old", "new"), MUTANTS, ids=[f"{m[0]}-{i}" for i, m in enumerate(MUTANTS)]
)
def test_a_broken_figure_is_noticed(
    figure: str, module: str, old: str, new: str, measured: Measured
) -> None:
    predictions = with_change(MODULES, module, old, new)[PREDICT]
    scored = predictions.predict(measured.model, measured.dataset)
    figures = predictions.figures_of(scored, measured.model, "mutant")
    assert figure in differences(figures, plain_figures(measured.stays))


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        (DRAWS, "LEVEL: Final = 0.95", "LEVEL: Final = 0.5"),
        (DRAWS, "draws.integers(n, size=n)", "draws.permutation(n)"),
        (METRIC, "sites == name", "sites != name"),
    ],
)
def test_broken_intervals_and_sites_are_noticed(
    module: str, old: str, new: str, measured: Measured
) -> None:
    predictions = with_change(MODULES, module, old, new)[PREDICT]
    scored = predictions.predict(measured.model, measured.dataset)
    figures = predictions.figures_of(scored, measured.model, "mutant", N_BOOTSTRAP)
    if module == DRAWS:
        assert figures["auroc_ci"] != pytest.approx(measured.figures["auroc_ci"], abs=ROUNDING)
    else:
        assert figures["by_site"]["A"]["auroc"] != measured.figures["by_site"]["A"]["auroc"]


def test_each_figure_has_a_mutant() -> None:
    assert {figure for figure, *_ in MUTANTS} == {*COUNTS, *METRICS}
