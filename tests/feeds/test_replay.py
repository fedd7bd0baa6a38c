from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.core.time import rfc3339
from streamer.core.variables import VARIABLES
from streamer.datasets.cohort import Cohort
from streamer.datasets.detect import read_recordings
from streamer.feeds.message import Message
from streamer.feeds.replay import replay, shortest_decimals
from tests.support.paths import DATA
from tests.support.physionet_files import RECORD_2012
from tests.support.synthetic_stays import COLUMNS, Row, stay, write_parquet, write_psv

HOUR = 3_600_000
START = 1_792_576_800_000  # 2026-10-21T10:00:00Z


def cohort(folder: Path) -> Cohort:
    stays = {
        "p000001": stay(
            3,
            context={"Age": 83.14, "Gender": 0, "Unit1": 1, "HospAdmTime": -0.03},
            values={0: {"HR": 97, "MAP": 75.33, "FiO2": 21}, 2: {"Temp": 36.6}},
        ),
        "p100002": stay(4, first_positive=1, first_hour=3, context={"Age": None}),
    }
    read = read_recordings([write_parquet(folder / "two.parquet", stays)])
    assert isinstance(read, Cohort)
    return read


def test_a_stay_becomes_the_events_of_the_contract(tmp_path: Path) -> None:
    messages = [m for m in replay(cohort(tmp_path), START) if m.key == "p000001"]
    common: dict[str, object] = {"patient_id": "p000001"}
    admission = {
        **common,
        "type": "admission",
        "time": "2026-10-21T10:00:00Z",
        "age": 83.14,
        "sex": "female",
        "icu_type": "medical",
        "hours_since_hospital_admission": 0.03,
    }
    values: list[dict[str, float]] = [
        {"heart_rate": 97.0, "map": 75.33, "fio2": 21.0},
        {},
        {"temperature": 36.6},
    ]
    observations = [
        {**common, "type": "observation", "time": f"2026-10-21T{10 + i}:00:00Z", "values": v}
        for i, v in enumerate(values)
    ]
    discharge = {**common, "type": "discharge", "time": "2026-10-21T13:00:00Z"}
    outcome = {**common, "type": "no_sepsis", "time": "2026-10-21T13:00:00Z"}
    assert messages == [
        Message(START, "vitals", "p000001", admission),
        *(
            Message(START + i * HOUR, "vitals", "p000001", dict(value))
            for i, value in enumerate(observations)
        ),
        Message(START + 3 * HOUR, "vitals", "p000001", discharge),
        Message(START + 3 * HOUR, "outcomes", "p000001", outcome),
    ]


def test_a_row_is_at_the_hour_of_its_iculos_and_onset_six_after_the_label(tmp_path: Path) -> None:
    messages = [m for m in replay(cohort(tmp_path), START) if m.key == "p100002"]
    events = [(m.value["type"], (m.due_ms - START) // HOUR) for m in messages]
    # ICULOS 3 to 6 are hour bins 2 to 5; the label turns at the second of them, bin 3.
    rows = [("observation", hour) for hour in (2, 3, 4, 5)]
    assert events == [("admission", 0), *rows, ("discharge", 6), ("sepsis_onset", 9)]
    assert "age" not in messages[0].value


def test_messages_of_all_stays_come_in_the_order_of_time(tmp_path: Path) -> None:
    stays = {f"p{i:06}": stay(1 + i % 7, first_hour=1 + i % 3) for i in range(50)}
    recorded = read_recordings([write_parquet(tmp_path / "x.parquet", stays)])
    messages = list(replay(recorded, START, admissions_per_hour=8))
    due = [m.due_ms for m in messages]
    assert due == sorted(due)
    assert [m.value["time"] for m in messages] == [rfc3339(m.due_ms) for m in messages]
    admitted = {m.key: m.due_ms for m in messages if m.value["type"] == "admission"}
    assert list(admitted.values()) == [START + i * HOUR // 8 for i in range(50)]
    for patient, rows in stays.items():
        types = [m.value["type"] for m in messages if m.key == patient]
        assert types == ["admission", *["observation"] * len(rows), "discharge", "no_sepsis"]


def test_fewer_patients_are_the_first_ones_unchanged(tmp_path: Path) -> None:
    hearts: list[Row] = [{"HR": 60.0 + i} for i in range(9)]
    stays = {f"p{i:06}": stay(3, values={1: heart}) for i, heart in enumerate(hearts)}
    recorded = read_recordings([write_parquet(tmp_path / "x.parquet", stays)])
    everybody = list(replay(recorded, START, admissions_per_hour=3))
    few = list(replay(recorded, START, admissions_per_hour=3, patients=4))
    assert few == [m for m in everybody if m.key < "p000004"]
    assert list(replay(recorded, START, admissions_per_hour=3, patients=99)) == everybody


def test_values_are_json_numbers_as_charted(tmp_path: Path) -> None:
    odd: Row = {"HR": float("inf"), "Temp": float("-inf"), "SBP": 1e39, "Platelets": 1e6, "pH": 7.9}
    file = write_psv(tmp_path / "p000001.psv", stay(1, values={0: odd}))
    (message,) = [m for m in replay(read_recordings([file]), START) if "values" in m.value]
    text = json.dumps(message.value["values"], allow_nan=False)
    assert text == '{"ph": 7.9, "platelets": 1000000.0}'


def test_files_without_labels_have_no_outcomes(tmp_path: Path) -> None:
    file = write_psv(tmp_path / "p000001.psv", stay(2), COLUMNS[:-1])
    assert {m.topic for m in replay(read_recordings([file]), START)} == {"vitals"}


def test_records_of_2012_keep_their_minutes(tmp_path: Path) -> None:
    rows = ["00:00,Age,54", "00:00,ICUType,1", "00:07,HR,73", "00:07,Temp,35.1", "01:10,K,4.1"]
    (tmp_path / "132539.txt").write_text("\n".join(["Time,Parameter,Value", *rows]))
    (tmp_path / "132540.txt").write_text("Time,Parameter,Value\n00:00,Age,60\n")
    messages = list(replay(read_recordings([tmp_path]), START))
    first = [m.value for m in messages if m.key == "132539"]
    assert first == [
        {
            "type": "admission",
            "patient_id": "132539",
            "time": "2026-10-21T10:00:00Z",
            "age": 54.0,
            "sex": "unknown",
            "icu_type": "other",
        },
        {
            "type": "observation",
            "patient_id": "132539",
            "time": "2026-10-21T10:07:00Z",
            "values": {"heart_rate": 73.0, "temperature": 35.1},
        },
        {
            "type": "observation",
            "patient_id": "132539",
            "time": "2026-10-21T11:10:00Z",
            "values": {"potassium": 4.1},
        },
        {"type": "discharge", "patient_id": "132539", "time": "2026-10-21T12:10:00Z"},
    ]
    assert [m.value["type"] for m in messages if m.key == "132540"] == ["admission", "discharge"]


def test_stays_without_a_measurement_are_sent_and_every_stay_ends(tmp_path: Path) -> None:
    described = "".join(RECORD_2012.splitlines(keepends=True)[:7])  # general descriptors alone
    rows = [f"{name},{line}" for name in range(5_000) for line in described.splitlines()[1:]]
    cells = [row.split(",") for row in rows]
    pq.write_table(
        pa.table({
            "RecordID": pa.array([int(cell[0]) for cell in cells]),
            "Time": [cell[1] for cell in cells],
            "Parameter": [cell[2] for cell in cells],
            "Value": [float(cell[3]) for cell in cells],
        }),
        tmp_path / "a.parquet",
    )  # fmt: skip
    # more than a chunk of events has no observation
    (tmp_path / "132539.txt").write_text(RECORD_2012.replace("RecordID,132539", "RecordID,1"))
    sent = Counter(message.value["type"] for message in replay(read_recordings([tmp_path]), START))
    assert sent == {"admission": 5_001, "observation": 3, "discharge": 5_001}


def test_impossible_arguments_are_refused_at_once(tmp_path: Path) -> None:
    recorded = cohort(tmp_path)
    with pytest.raises(ValueError, match="patients must be 1 or more"):
        replay(recorded, START, patients=0)
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            replay(recorded, START, admissions_per_hour=rate)


def test_shortest_decimals_read_back_as_the_same_float32() -> None:
    draws = np.random.default_rng(0)
    decimals = [np.round(draws.normal(50, 200, 5000), digits) for digits in range(5)]
    charted = np.concatenate(decimals)
    np.testing.assert_array_equal(shortest_decimals(charted.astype(np.float32)), charted)
    any_float = draws.normal(0, 1, 5000).astype(np.float32) ** 9
    np.testing.assert_array_equal(shortest_decimals(any_float).astype(np.float32), any_float)


@pytest.mark.skipif(not DATA.is_dir(), reason="the PhysioNet files are not here")
@pytest.mark.parametrize("path", ["cinc2019/dev_B.parquet", "cinc2012"])
def test_replayed_values_equal_those_of_the_file(path: str) -> None:
    recorded = read_recordings([DATA / path])
    n = 200
    got = [
        value
        for m in replay(recorded, START, patients=n)
        if m.value["type"] == "observation" and isinstance(values := m.value["values"], dict)
        for value in values.values()
    ]
    if isinstance(recorded, Cohort):
        charted = recorded.values[: recorded.starts[n]]
        charted = charted[np.isfinite(charted)]
    else:
        charted = recorded.value[: recorded.starts[n]]
    assert len(got) > 10 * n
    np.testing.assert_array_equal(np.sort(np.array(got, np.float32)), np.sort(charted))


def test_names_are_those_of_the_variable_table(tmp_path: Path) -> None:
    every = stay(1, values={0: {v.challenge: v.low + 0.5 * (v.high - v.low) for v in VARIABLES}})
    recorded = read_recordings([write_psv(tmp_path / "p000001.psv", every)])
    (values,) = [m.value["values"] for m in replay(recorded, START) if "values" in m.value]
    assert isinstance(values, dict)
    assert list(values) == [variable.name for variable in VARIABLES]
