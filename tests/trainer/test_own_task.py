"""From files of another form to streamed risks, without a line of code: by a task file alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from streamer import Monitor
from streamer.bundles.build import build
from streamer.bundles.bundle import Bundle, BundleError
from streamer.datasets.physionet2019 import read_2019
from streamer.datasets.task import Task, parse_task, read_task
from streamer.datasets.task_stays import read_task_stays
from streamer.feeds.replay import replay
from tests.support.plain_fit import fitted
from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.task_files import TASKS, write_own, write_yaib
from trainer.data.split import side_of
from trainer.decisions.thresholds import youden_curve
from trainer.evaluate import evaluate, task_of
from trainer.progress import Reporter
from trainer.recalibrate import recalibrate

QUIET = Reporter(Console(quiet=True))
PLAIN = replace(QUICK, teacher_share=0.0, reading_epochs=2, epochs=2, forecast_epochs=0)
OWN = read_task(TASKS / "our-icu.toml")
TASK = parse_task({**OWN.model_dump(exclude_defaults=True), "horizons": [6, 12, 36]}, "test")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    folder = tmp_path_factory.mktemp("own")
    table = write_own(folder / "own.csv", read_2019([learnable_file(folder, 70)]))
    return table, fitted(table, TASK, PLAIN, folder)


def test_the_bundle_keeps_its_task_and_its_card_speaks_of_it(files: tuple[Path, Bundle]) -> None:
    _, bundle = files
    assert task_of(bundle) == TASK
    assert "within 12 and within 36 hours" in bundle.card
    assert "hourly risk: onset of sepsis" in bundle.card
    assert "It sees\n6 vital signs" in bundle.card
    assert set(bundle.manifest["calibration"]) == {"6h", "12h", "36h"}


def streamed(
    folder: Path, file: Path, task: Task = TASK
) -> dict[tuple[str, int], dict[str, float]]:
    """The last risks of each patient and hour, as a service would write them."""
    cohort = read_task_stays([file], task)
    events = [m.value for m in replay(cohort, 1_700_000_000_000) if m.topic == "vitals"]
    messages, rejections = Monitor(folder, risk_interval_s=0).update_many(events)
    assert not rejections
    risks: dict[tuple[str, int], Any] = {
        (m["patient_id"], m["bin"]): m["horizons"] for m in messages if "horizons" in m
    }
    return risks


def test_streamed_risks_are_those_of_the_trainer(
    files: tuple[Path, Bundle], tmp_path: Path
) -> None:
    table, bundle = files
    assert_streamed_as_evaluated(bundle, table, tmp_path, TASK)


def test_a_yaib_cohort_is_fitted_and_streamed_by_its_task_file(tmp_path: Path) -> None:
    stays = read_2019([learnable_file(tmp_path, 70)])
    cohort, task = write_yaib(tmp_path / "yaib", stays), read_task(TASKS / "yaib-sepsis.toml")
    bundle = fitted(cohort, task, PLAIN, tmp_path)
    assert_streamed_as_evaluated(bundle, cohort, tmp_path / "saved", task)


def test_an_outcome_of_the_whole_stay_is_chosen_by_ranking_and_has_no_horizon(
    tmp_path: Path,
) -> None:
    stays = read_2019([learnable_file(tmp_path, 70)])
    cohort = write_yaib(tmp_path / "yaib", stays, of_stay=True)
    bundle = fitted(cohort, read_task(TASKS / "yaib-death.toml"), PLAIN, tmp_path)
    assert bundle.manifest["recipe"]["utility_weight"] == 0
    best = bundle.manifest["training"]
    assert best["validation_score"] == best["validation_auroc"]
    scored = evaluate(bundle, [cohort], reporter=QUIET).predictions
    known = np.array([side_of(patient) != "test" for patient in scored.cohort.patient_ids])
    rows = known[scored.cohort.patient_of_row]
    thresholds, index = youden_curve(scored.cohort.label[rows], scored.risks[rows, 0])
    assert bundle.manifest["threshold"] == pytest.approx(thresholds[index.argmax()])
    assert bundle.outcome == build(bundle).outcome == "death in the ICU in this stay"
    assert "It has no horizon" in bundle.card
    done = recalibrate(
        bundle,
        [
            write_yaib(
                tmp_path / "site", read_2019([learnable_file(tmp_path, 200, 5)]), of_stay=True
            )
        ],
        tmp_path / "recalibrated",
        reporter=QUIET,
        n_bootstrap=20,
    )
    assert {"utility", "alerted_at_onset"}.isdisjoint(done.verdicts())


def assert_streamed_as_evaluated(bundle: Bundle, file: Path, folder: Path, task: Task) -> None:
    predictions = evaluate(bundle, [file], reporter=QUIET).predictions
    cohort = predictions.cohort
    bundle.save(folder)
    risks = streamed(folder, file, task)
    assert len(risks) == cohort.n_rows
    keys = zip(cohort.patient_of_row.tolist(), (cohort.iculos - 1).tolist(), strict=True)
    rows = [risks[cohort.patient_ids[i], bin_] for i, bin_ in keys]
    written = np.array([[row[f"{hours}h"] for hours in task.horizons] for row in rows])
    assert np.abs(written - predictions.risks).max() <= 1e-5


def test_a_bundle_with_horizons_that_fall_is_refused(files: tuple[Path, Bundle]) -> None:
    _, bundle = files
    for horizons in ([6, 36, 12], [6, 12], ["6", "12", "36"]):
        task = {**bundle.manifest["task"], "horizons": horizons}
        changed = replace(bundle, manifest={**bundle.manifest, "task": task})
        changed.manifest["model"] = changed.model_id
        with pytest.raises(BundleError, match="horizons"):
            build(changed)


def test_variables_that_a_bundle_does_not_name_change_no_risk(
    files: tuple[Path, Bundle], tmp_path: Path
) -> None:
    table, bundle = files
    bundle.save(tmp_path)
    cohort = read_task_stays([table], TASK).take(range(3))
    events = [m.value for m in replay(cohort, 1_700_000_000_000) if m.topic == "vitals"]
    more = [
        {**event, "values": {**values, "platelets": 40, "sbp": 70, "ph": 7.1}}
        if isinstance(values := event.get("values"), dict)
        else event
        for event in events
    ]
    alone, with_more = (
        [m["horizons"] for m in Monitor(tmp_path, 0).update_many(each)[0] if "horizons" in m]
        for each in (events, more)
    )
    assert alone == with_more
    assert len(alone) >= cohort.n_rows


def test_a_site_recalibrates_a_bundle_of_another_task(
    files: tuple[Path, Bundle], tmp_path: Path
) -> None:
    _, bundle = files
    table = write_own(tmp_path / "more.csv", read_2019([learnable_file(tmp_path, 200)]))
    done = recalibrate(bundle, [table], tmp_path, reporter=QUIET, n_bootstrap=20)
    assert task_of(done.bundle) == TASK
    assert done.bundle.card.startswith("# Model card: hourly risk: onset of sepsis, calibrated")
    assert build(done.bundle).horizons == ("6h", "12h", "36h")
