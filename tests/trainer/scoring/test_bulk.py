from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from streamer.bundles.build import build, make
from streamer.core.alert_messages import Content
from streamer.core.alerts import Phase
from streamer.core.columns import decode
from streamer.core.messages import write as write_messages
from streamer.core.model import Model
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.datasets.cohort import Cohort
from streamer.datasets.physionet2019 import read_2019
from streamer.feeds.replay import replay
from tests.support.small_models import forecasting_model
from tests.support.synthetic_cohort import learnable_file
from trainer.data.dataset import Dataset, build_features
from trainer.decisions.alert_replay import alert_on
from trainer.decisions.predictions import cohort_logits, predict
from trainer.scoring import bulk
from trainer.scoring.table import as_table, write

START_MS = 1_767_225_600_000
N_STAYS = 12


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return read_2019([learnable_file(tmp_path_factory.mktemp("data"), N_STAYS)])


@pytest.fixture(scope="module")
def model(cohort: Cohort) -> Model:
    """Random weights, calibrated so that alerts start, rise and end."""
    model = forecasting_model(5)
    logits = cohort_logits(model, Dataset.whole(cohort, build_features(cohort)))[:, 0]
    for calibration in model.calibrations[:1]:
        calibration.calibrated[:] = (calibration.logits - np.median(logits)) / logits.std() / 3
    return build(make(model, {}, ""))


def streamed(model: Model, cohort: Cohort) -> tuple[dict[tuple[str, int], Content], list[Content]]:
    """The messages of the service for the events of a replay: risks by patient and bin; alerts."""
    records = [
        Record(0, i, message.due_ms, message.key.encode(), json.dumps(message.value).encode())
        for i, message in enumerate(replay(cohort, START_MS))
        if message.topic == "vitals" and message.value["type"] != "discharge"
    ]
    scorer = Scorer(model, StayTable(model.architecture), 0, forecast=True)
    columns = decode(records, None)
    outcome = scorer.score(columns, [0] * len(columns.patients))
    messages = write_messages(outcome, columns.record.tolist(), records, model, scorer.table)
    contents = [m.content for m in messages if m.kind == "risk"]
    risks = {(content["patient_id"], content["bin"]): content for content in contents}
    alerts = [message.content for message in messages if message.kind == "alert"]
    # What nobody answered in time is message, too: that is of people, not of the stay.
    return risks, [alert for alert in alerts if alert["phase"] in ("start", "escalate", "end")]


def test_risks_alerts_reasons_and_forecasts_are_those_of_the_stream(
    model: Model, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "STAYS_AT_ONCE", 5)
    risks, alerts = streamed(model, cohort)
    by_start = {(a["patient_id"], a["time"], a["phase"]): a for a in alerts}
    rows = [
        row
        for block in bulk.score(model, cohort, forecast=True)
        for row in as_table(block, model.threshold).to_pylist()
    ]
    assert len(rows) == cohort.n_rows == len(risks)
    n_alerts = 0
    for row in rows:
        message = risks[row["patient"], row["hour"] - 1]
        assert message["horizons"] == {name: row[f"risk_{name}"] for name in message["horizons"]}
        assert message["positive"] == row["positive"]
        ahead = message["forecast"]["heart_rate"]
        for hour, number in zip(message["forecast"]["hours"], ahead["median"], strict=True):
            assert row[f"heart_rate_{hour}h_median"] == number
        if row["alert"] is not None:
            alert = by_start[row["patient"], message["time"], row["alert"]]
            n_alerts += 1
            assert json.loads(row["reasons"] or "[]") == alert["reasons"]
            assert row["severity"] == ("none" if row["alert"] == "end" else alert["severity"])
    assert n_alerts == len(alerts)
    assert {row["alert"] for row in rows} >= {None, "start", "end"}


def test_risks_and_alerts_are_those_of_evaluate(model: Model, cohort: Cohort) -> None:
    (scored,) = bulk.score(model, cohort)
    predictions = predict(model, Dataset.whole(cohort, build_features(cohort)))
    np.testing.assert_array_equal(scored.risks, predictions.risks)  # to the bit
    np.testing.assert_array_equal(scored.severity > 0, predictions.alert_on)
    np.testing.assert_array_equal(alert_on(scored.phase, cohort.starts), predictions.alert_on)
    assert scored.forecast is None


def test_labels_are_not_looked_at(model: Model, cohort: Cohort) -> None:
    (plain,) = bulk.score(model, cohort)
    cohort.label[:] = -1
    (again,) = bulk.score(model, cohort)
    np.testing.assert_array_equal(again.risks, plain.risks)


def test_a_table_is_the_same_in_csv_and_parquet(
    model: Model, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "STAYS_AT_ONCE", 5)
    done: list[tuple[int, int]] = []
    for suffix in ("csv", "parquet"):
        scored = bulk.score(model, cohort, progress=lambda n, of: done.append((n, of)))
        write(scored, model.threshold, tmp_path / f"x.{suffix}")
    assert done == [(5, 12), (10, 12), (12, 12)] * 2
    parquet = pq.read_table(tmp_path / "x.parquet")
    text = pyarrow.csv.read_csv(tmp_path / "x.csv")
    assert text.column_names == parquet.column_names
    for name in ("patient", "hour", "risk_6h", "risk_48h", "positive", "severity"):
        assert text[name].to_pylist() == parquet[name].to_pylist()
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["x.csv", "x.parquet"]


def test_an_alert_is_on_from_its_first_hour_to_the_end_of_its_stay(cohort: Cohort) -> None:
    two = cohort.take([0, 1])
    phase, severity = np.zeros((2, two.n_rows), np.uint8)
    begin, end = int(two.starts[0]), int(two.starts[1])
    phase[begin], severity[begin] = Phase.START, 1
    phase[end - 2], severity[end - 2] = Phase.ESCALATE, 2
    phase[end + 3], severity[end + 3] = Phase.START, 1
    phase[end + 5], severity[end + 5] = Phase.END, 1
    on = bulk._on(two, phase, severity)
    assert on[begin:end].tolist() == [1] * (end - 2) + [2, 2]
    assert on[end : end + 7].tolist() == [0, 0, 0, 1, 1, 0, 0]
