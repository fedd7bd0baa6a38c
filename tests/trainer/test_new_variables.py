"""A variable that is none of the 34, from a task file to streamed risks without a line of code.

It alone carries the signal of these stays, so that leaving it out is seen.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from streamer import Monitor
from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import Trust, accept
from streamer.bundles.build import build
from streamer.bundles.bundle import Bundle, BundleError
from streamer.core.alert_messages import Content
from streamer.core.cleaning import clean
from streamer.core.variables import INDEX, N_VARIABLES
from streamer.datasets.cohort import Cohort, DataError
from streamer.datasets.physionet2019 import read_2019
from streamer.datasets.task import Task, parse_task, read_task
from streamer.datasets.task_stays import read_task_stays
from streamer.feeds.replay import replay
from tests.support.compare_task import material_of
from tests.support.plain_fit import fitted
from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.task_files import NEW_VARIABLES, TASKS, write_own
from trainer.compare.models.recurrent import RECURRENT
from trainer.compare.models.tables import FEATURES, SNAPSHOT, WINDOWS
from trainer.compare.protocol.family import Task as CompareTask
from trainer.data.dataset import Dataset, build_features
from trainer.data.report import DataReport
from trainer.data.windows import window_names
from trainer.decisions.predictions import cohort_logits
from trainer.errors import InputError
from trainer.evaluate import evaluate
from trainer.explain.explanation import explain
from trainer.explain.json_output import to_json
from trainer.explain.measurement_arg import parse as parse_measurement
from trainer.fit import Lineage, Stays, fit
from trainer.progress import Reporter
from trainer.scoring.bulk import score
from trainer.scoring.table import as_table

QUIET = Reporter(Console(quiet=True))
PLAIN = replace(QUICK, teacher_rounds=8, reading_epochs=8, epochs=3, forecast_epochs=1)
OUR_ICU = read_task(TASKS / "our-icu.toml").model_dump(exclude_defaults=True)
ADMITTED_MS = 1_700_000_000_000


def task(**new: object) -> Task:
    """`our-icu.toml` with heart rate, procalcitonin in nmol/L, and a sodium that says no more."""
    defined = new or NEW_VARIABLES
    columns = {"procalcitonin": {"column": "PCT", "unit": "nmol/L"}, "sodium": "Na"}
    variables = {"heart_rate": "HF"} | {n: c for n, c in columns.items() if n in defined}
    return parse_task({**OUR_ICU, "variables": variables, "new_variables": defined}, "test")


TASK = task()


def write(file: Path, cohort: Cohort) -> Path:
    """The course of the temperature becomes that of procalcitonin; the heart rate is noise."""
    table: Any = pq.read_table(write_own(file, cohort))
    draws = np.random.default_rng(1)
    temperature = cohort.values[:, INDEX["temperature"]].astype(np.float64)
    pct = np.where(np.isnan(temperature), np.nan, np.exp(2.2 * (temperature - 37.2)) / 13)
    n = cohort.n_rows
    table = table.append_column("PCT", pa.array(pct, from_pandas=True))
    table = table.append_column("Na", pa.array(draws.normal(140, 3, n).round(1)))
    at = table.column_names.index("HF")
    table = table.set_column(at, "HF", pa.array(draws.normal(85, 8, n).round(0)))
    pq.write_table(table, file)
    return file


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    folder = tmp_path_factory.mktemp("new")
    table = write(folder / "own.parquet", read_2019([learnable_file(folder, 120)]))
    return table, fitted(table, TASK, PLAIN, folder)


def messages_of(folder: Path, events: list[Content]) -> list[Content]:
    messages, rejections = Monitor(folder, risk_interval_s=0).update_many(events)
    assert not rejections
    return messages


def test_the_bundle_defines_it_and_its_card_names_it(files: tuple[Path, Bundle]) -> None:
    _, bundle = files
    assert bundle.manifest["variables"][N_VARIABLES:] == ["procalcitonin", "sodium"]
    model = accept(bundle, Trust(allow_unsigned=True))
    assert model.variables == TASK.table
    assert "3 vital signs and laboratory values\n(the task's own: procalcitonin in ng/mL" in (
        bundle.card
    )
    known = json.loads(bundle.known)
    assert {name for hour in known[0]["hours"] for name in hour} & {"procalcitonin"}


def test_streamed_risks_are_those_of_the_trainer_and_reasons_name_it(
    files: tuple[Path, Bundle], tmp_path: Path
) -> None:
    table, bundle = files
    predictions = evaluate(bundle, [table], reporter=QUIET).predictions
    bundle.save(tmp_path)
    cohort = predictions.cohort
    events = [m.value for m in replay(cohort, ADMITTED_MS) if m.topic == "vitals"]
    messages = messages_of(tmp_path, events)
    risks = {(m["patient_id"], m["bin"]): m["horizons"] for m in messages if "horizons" in m}
    keys = zip(cohort.patient_of_row.tolist(), (cohort.iculos - 1).tolist(), strict=True)
    streamed = np.array([[*risks[cohort.patient_ids[i], hour].values()] for i, hour in keys])
    assert np.abs(streamed - predictions.risks).max() <= 1e-5
    # It alone says who is septic.
    auroc = evaluate(bundle, [table], reporter=QUIET, patients="test").figures["auroc"]
    assert auroc > 0.8
    reasons = [r for m in messages for r in m.get("reasons", ())]
    named = [r for r in reasons if r["variable"] == "procalcitonin"]
    assert len(named) > len(reasons) / 2
    assert {r["unit"] for r in named} == {"ng/mL"}
    assert "high" in {r["direction"] for r in named}
    # In bulk, from the same pass.
    (scored,) = score(build(bundle), cohort)
    np.testing.assert_array_equal(scored.risks, streamed)
    assert "procalcitonin" in " ".join(filter(None, as_table(scored, 0.5)["reasons"].to_pylist()))


def test_it_is_taken_in_any_unit_and_within_its_limits(
    files: tuple[Path, Bundle], tmp_path: Path
) -> None:
    _, bundle = files
    bundle.save(tmp_path)

    def risk(value: object, unit: str | None) -> tuple[float, dict[str, int]]:
        monitor = Monitor(tmp_path, risk_interval_s=0)
        event: Content = {"patient_id": "p", "time": ADMITTED_MS}
        event |= {"values": {"heart_rate": 80, "procalcitonin": value}}
        if unit is not None:
            event["units"] = {"procalcitonin": unit}
        (message,) = monitor.update(event)
        return message["risk"], {p.value: n for p, n in monitor.problems.items()}

    expected = risk(26.0, None)[0]
    assert expected != risk(None, None)[0]
    for value, unit in ((26, "ug/L"), (2, "nmol/L"), (2000, "pmol/L"), (0.026, "mg/L")):
        assert risk(value, unit)[0] == pytest.approx(expected, abs=1e-6), unit
    without = risk(None, None)[0]
    assert risk(501, None) == (without, {"out_of_limits": 1})
    assert risk(26, "kPa") == (without, {"unknown_unit": 1})
    assert risk("much", None) == (without, {"not_a_number": 1})
    assert risk("<0.01", None)[1] == {"censored": 1}
    shipped = Monitor(risk_interval_s=0)
    shipped.update(
        {"patient_id": "p", "time": ADMITTED_MS, "values": {"heart_rate": 80, "procalcitonin": 26}}
    )
    assert {p.value: n for p, n in shipped.problems.items()} == {"unknown_variable": 1}


def test_the_data_report_shows_it_and_sees_what_is_wrong(files: tuple[Path, Bundle]) -> None:
    table, _ = files
    report = DataReport.of(read_task_stays([table], TASK))
    (row,) = [row for row in report.rows() if row[0] == "procalcitonin"]
    assert row[1] == "ng/mL"
    assert row[2] != "0.0%"
    assert row[7:] == ("", "", "", "")  # the public data have none
    assert not [f.name for f in report.findings if "procalcitonin" in f.text]
    raw = task(procalcitonin={**NEW_VARIABLES["procalcitonin"], "high": 1.0})  # type: ignore[dict-item]
    names = DataReport.of(read_task_stays([table], raw)).names()
    assert "dropped:procalcitonin" in names
    nothing = task(procalcitonin={"unit": "ng/mL", "low": 1e5, "high": 2e5, "reference": [1e5, 2e5],
                                  "conversions": {"nmol/L": 13.0}})  # fmt: skip
    assert "never_measured" in DataReport.of(read_task_stays([table], nothing)).names()


def test_every_family_of_the_comparison_reads_it(files: tuple[Path, Bundle]) -> None:
    table, bundle = files
    material = material_of(read_task_stays([table], TASK))
    variables, stays = material.cohort.variables, material.split.train[:3]
    rows = material.rows_of(stays)
    for of_hours in (SNAPSHOT, FEATURES, WINDOWS):
        seen = of_hours.rows(material, stays)
        assert seen.shape == (len(rows), of_hours.width(variables))
    names = window_names(variables)
    highest = WINDOWS.rows(material, stays)[:, names.index("highest:procalcitonin")]
    charted = clean(material.cohort.take(stays[:1]).values, variables)[:, N_VARIABLES]
    assert np.expm1(highest[len(charted) - 1]) == pytest.approx(np.nanmax(charted), rel=1e-5)
    settings = {"hidden": 4, "learning_rate": 1e-2, "dropout": 0.1, "epochs": 1}
    for family in RECURRENT:
        if family.name in ("GRU-D", "LSTM, all features"):
            scores = family.fit(CompareTask(material, 0, 1), settings, None).scores(stays)
            assert np.isfinite(scores[rows]).all()
    shipped, own = build(bundles.load(bundles.SHIPPED)), build(bundle)
    of_task = material.dataset(stays)
    narrow = replace(material.cohort.take(stays), values=material.cohort.take(stays).values[:, :34],
                     task=None)  # fmt: skip
    of_34 = Dataset.whole(narrow, build_features(narrow))
    # Each model reads the variables that it knows, whatever the stays have.
    np.testing.assert_array_equal(
        cohort_logits(shipped, of_task)[rows], cohort_logits(shipped, of_34)
    )
    never = replace(material.cohort.take(stays), values=material.cohort.take(stays).values.copy())
    never.values[:, N_VARIABLES:] = np.nan
    np.testing.assert_array_equal(
        cohort_logits(own, of_34), cohort_logits(own, Dataset.whole(never, build_features(never)))
    )


def test_its_influence_is_explained(files: tuple[Path, Bundle]) -> None:
    table, bundle = files
    cohort = read_task_stays([table], TASK)
    stay = cohort.take([int(np.flatnonzero(cohort.septic)[0])])
    names = bundle.manifest["variables"]
    explanation = explain(build(bundle), stay, [parse_measurement("procalcitonin", names)])
    content = to_json(explanation)
    assert content["influences"][0]["unit"] == "ng/mL"
    assert np.abs(content["contributions"]["procalcitonin"]).max() > 0
    with pytest.raises(InputError, match="no variable 'pct'; there are heart_rate"):
        parse_measurement("pct", names)


def test_only_stays_with_the_same_variables_go_on_from_it(
    files: tuple[Path, Bundle], tmp_path: Path
) -> None:
    table, bundle = files
    fewer = task(sodium=NEW_VARIABLES["sodium"])
    with pytest.raises(InputError, match=r"procalcitonin, sodium of its own .* have sodium"):
        fit(
            Stays([table], task=fewer),
            tmp_path,
            PLAIN,
            reporter=QUIET,
            lineage=Lineage(start=bundle),
        )


def test_a_bundle_whose_definition_is_wrong_is_refused(files: tuple[Path, Bundle]) -> None:
    _, bundle = files
    kept = bundle.manifest["task"]
    changes: tuple[dict[str, object], ...] = (
        {"new_variables": {}},
        {"new_variables": {**NEW_VARIABLES, "sodium": {"unit": "?"}}},
        {"new_variables": {**kept["new_variables"], "lactate": NEW_VARIABLES["sodium"]}},
        {"new_variables": 3},
        {"variables": {"potassium": "K", "calium": "K"}},
    )
    for change in changes:
        changed = replace(bundle, manifest={**bundle.manifest, "task": {**kept, **change}})
        changed.manifest["model"] = changed.model_id
        with pytest.raises(BundleError):
            build(changed)


def test_what_a_task_leaves_out_is_named() -> None:
    content = TASK.model_dump(exclude_defaults=True)
    with pytest.raises(
        DataError, match=r"new_variables\.sodium: no column has it; write `sodium ="
    ):
        parse_task({**content, "variables": {"procalcitonin": "PCT"}}, "task.toml")
    with pytest.raises(
        DataError, match=r"task\.toml: .*'crp' is none of .*`\[new_variables\.crp\]`"
    ):
        parse_task({**content, "variables": {**content["variables"], "crp": "CRP"}}, "task.toml")
    kpa = {**content["variables"], "procalcitonin": {"column": "PCT", "unit": "kPa"}}
    with pytest.raises(DataError, match=r"in 'kPa' cannot be converted to ng/mL; .*`conversions`"):
        parse_task({**content, "variables": kpa}, "task.toml")
