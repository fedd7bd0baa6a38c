"""Inputs that were seen in the field, taken by `Monitor`: one wrong part costs only itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer import Monitor
from streamer.core.columns import Columns, decode
from streamer.core.events import EventRejected
from streamer.core.reasons import Loss, Reason, ValueProblem
from streamer.core.records import Record
from streamer.core.variables import VARIABLES
from tests.support.event_stream import ORIGIN_MS, admission, event, observation, record

P = {"patient_id": "p1"}
AT = "2026-11-21T10:00:00Z"


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    return Monitor(risk_interval_s=0)


def columns_of(**fields: Any) -> Columns:
    return decode([record(event(0, "observation", **fields))], None)


def kept(columns: Columns) -> dict[str, float]:
    names = [VARIABLES[v].name for v in columns.variable]
    return dict(zip(names, columns.value.tolist(), strict=True))


@pytest.mark.parametrize(
    ("time", "looks_like"),
    [
        ("20261121100000+0000", "HL7"), ("202611211000", "HL7"), (20261121100000, "HL7"),
        (1_795_255_200, "seconds"), (1_795_255_200.5, "seconds"), ("1795255200", "seconds"),
        (1_795_255_200_000_000, "microseconds"), (1_795_255_200_000_000_000, "nanoseconds"),
        ("2026-W47-6T10:00:00Z", "week"), ("2026-325T10:00:00Z", "ordinal"),
    ],
)  # fmt: skip
def test_a_time_that_only_looks_like_one_is_refused_with_a_hint(
    monitor: Monitor, time: object, looks_like: str
) -> None:
    with pytest.raises(EventRejected) as refused:
        monitor.update({**P, "time": time, "values": {"heart_rate": 80}})
    assert refused.value.reason is Reason.BAD_TIME
    assert looks_like in refused.value.detail


@pytest.mark.parametrize(
    ("variable", "value", "unit", "canonical"),
    [
        ("creatinine", 1.2, "mg/dl", 1.2), ("creatinine", 106.08, "umol/l", 1.2),
        ("hemoglobin", 13, "g/dl", 13), ("potassium", 4, "meq/l", 4), ("wbc", 9, "10*3/ul", 9),
        ("wbc", 9, "10*9/l", 9), ("heart_rate", 80, "1/min", 80), ("ast", 30, "[IU]/L", 30),
        ("map", 70, "mmHg", 70), ("heart_rate", 80, "beats/min", 80),
        ("temperature", 98.6, "degF", 37), ("platelets", 200, "K/uL", 200),
        ("wbc", 9, "x10^9/L", 9), ("potassium", 4, "mEq/L", 4), ("hemoglobin", 13, "gm/dL", 13),
        ("ptt", 30, "sec", 30), ("ph", 7.4, "pH", 7.4), ("spo2", 97, "MDC_DIM_PERCENT", 97),
    ],
)  # fmt: skip
def test_units_as_they_come(variable: str, value: float, unit: str, canonical: float) -> None:
    columns = columns_of(values={variable: value}, units={variable: unit})
    assert kept(columns) == {variable: pytest.approx(canonical, rel=1e-5)}
    assert not columns.losses


def test_what_is_lost_has_a_name_and_a_unit() -> None:
    columns = columns_of(
        values={"lactate": 2, "map": 999, "mood": 1, "ph": "acid", "sbp": 120},
        units={"lactate": "furlong", "map": "mmHg", "sbp": 7},
    )
    assert kept(columns) == {}
    assert columns.losses == {
        Loss(ValueProblem.UNKNOWN_UNIT, "lactate", "furlong"): 1,
        Loss(ValueProblem.OUT_OF_LIMITS, "map", "mmHg"): 1,
        Loss(ValueProblem.UNKNOWN_VARIABLE, "mood", None): 1,
        Loss(ValueProblem.NOT_A_NUMBER, "ph", None): 1,
        Loss(ValueProblem.UNKNOWN_UNIT, "sbp", None): 1,
    }
    assert columns.problems.total() == 5


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ({"troponin_i": "<0.01"}, ValueProblem.CENSORED),
        ({"troponin_i": True}, ValueProblem.NOT_A_NUMBER),
        ({"ph": "7,4"}, ValueProblem.NOT_A_NUMBER),
        ({"ph": [7.4]}, ValueProblem.NOT_A_NUMBER),
        ({"ph": {"value": 7.4}}, ValueProblem.NOT_A_NUMBER),
        ({"ph": "hemolysed"}, ValueProblem.NOT_A_NUMBER),
        ({"ph": -999}, ValueProblem.OUT_OF_LIMITS),
    ],
)
def test_a_bad_value_costs_itself(bad: dict[str, object], problem: ValueProblem) -> None:
    columns = columns_of(values={"heart_rate": 120, **bad})
    assert kept(columns)["heart_rate"] == 120
    assert columns.problems == {problem: 1}
    assert columns.rejections == []


def test_a_censored_value_is_taken_at_its_limit_in_its_unit() -> None:
    columns = columns_of(
        values={"troponin_i": "<10", "lactate": " >= 15 ", "creatinine": "<0.01"},
        units={"troponin_i": "ng/L"},
    )
    assert kept(columns) == {"troponin_i": np.float32(0.01), "lactate": 15}
    assert columns.problems == {ValueProblem.CENSORED: 3, ValueProblem.OUT_OF_LIMITS: 1}


def test_an_observation_with_odd_fields_that_are_not_used_is_taken(monitor: Monitor) -> None:
    messages = monitor.update({
        **P, "time": AT, "values": {"heart_rate": 120}, "bed": 12, "received_time": 1.5e9,
        "source": 7, "event_id": None, "age": "old", "drug": [],
    })  # fmt: skip
    assert [message["patient_id"] for message in messages if "bin" in message] == ["p1"]


def test_an_admission_with_bad_particulars_stands() -> None:
    monitor = Monitor(risk_interval_s=0)
    monitor.update({**P, "type": "admission", "time": AT, "age": "> 89", "sex": "M", "bed": 12})
    with_age = monitor.update({**P, "time": AT, "values": {"heart_rate": 120}})
    plain = Monitor(risk_interval_s=0)
    plain.update({**P, "type": "admission", "time": AT, "age": 90})
    assert with_age == plain.update({**P, "time": AT, "values": {"heart_rate": 120}})
    assert monitor.problems == {
        ValueProblem.CENSORED: 1, ValueProblem.UNKNOWN_CODE: 1, ValueProblem.NOT_TEXT: 1,
    }  # fmt: skip


# What devices and databases write for "no value".
NEVER_IN_LIMITS = (-999, -9999, -99, 32767, 65535, 8388607, -32768, 2147483647, 99999)
OF_VITALS = (999, 9999, 511, 1023, *NEVER_IN_LIMITS)


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_what_stands_for_no_value_is_missing_and_counted(variable: Any) -> None:
    sentinels = OF_VITALS if variable.is_vital else NEVER_IN_LIMITS
    batch = [record(observation(0, **{variable.name: value})) for value in sentinels]
    columns = decode(batch, None)
    assert len(columns.value) == 0
    assert columns.losses == {Loss(ValueProblem.OUT_OF_LIMITS, variable.name, None): len(sentinels)}


def test_the_sentinels_that_a_sender_must_filter_are_written_down() -> None:
    """Inside the limits nobody can tell a value that stands for none; the page names them."""
    page = (Path(__file__).parents[2] / "docs/messages.md").read_text()
    paragraph = page[page.index('**Codes for "no value"**') :].partition("\n\n")[0]
    for sentinel in (255, 0, -1):
        for variable in VARIABLES:
            if variable.low <= sentinel <= variable.high and variable.is_vital:
                assert f"`{variable.name}`" in paragraph
    assert "`base_excess`" in paragraph


def test_ids_that_nobody_sees_are_refused(monitor: Monitor) -> None:
    for patient in (
        "p1\u200b", "\u202ep1", "p\x1b[2J1", " p1", "p1\n", "p1\u00a0", "p\u20661", "\ufeffp1",
        "p\xad1", "p\u200d1", "p\x7f", "p\x9b", "\u3000p", "p\u2028x", "p\U000e0041", "p\u061c1",
    ):  # fmt: skip
        with pytest.raises(EventRejected) as refused:
            monitor.update({"patient_id": patient, "time": AT, "values": {}})
        assert refused.value.reason is Reason.BAD_PATIENT


@pytest.mark.parametrize("patient", ["é", "张三", "p 1", "\uff501", "O'Brien/7", "[/]"])
def test_ids_that_people_see_are_taken(monitor: Monitor, patient: str) -> None:
    assert monitor.update({"patient_id": patient, "time": AT, "values": {"heart_rate": 80}})


@pytest.mark.parametrize(
    ("revision", "is_taken"),
    [(None, True), (0, True), (255, True), (256, False), (-1, False), (1.0, False), ("1", False),
     (True, False)],
)  # fmt: skip
def test_a_revision_is_a_small_number_or_absent(revision: object, is_taken: bool) -> None:
    columns = columns_of(values={"lactate": 2}, revision=revision)
    assert [bad.reason for bad in columns.rejections] == [] if is_taken else [Reason.WRONG_TYPE]


AT_8 = {**P, "time": "2026-11-21T08:00:00Z", "type": "admission", "age": 70, "sex": "male"}
AT_8_30 = {
    **P, "time": "2026-11-21T08:30:00Z",
    "values": {"heart_rate": 110, "sbp": 95, "resp_rate": 24, "temperature": 38.6, "lactate": 3.2,
               "wbc": 16, "creatinine": 2.1},
}  # fmt: skip
AT_12_30 = {**P, "time": "2026-11-21T12:30:00Z", "values": {"heart_rate": 115, "map": 62}}
AT_13 = {**P, "time": "2026-11-21T13:00:00Z"}
AT_13_10 = {**P, "time": "2026-11-21T13:10:00Z", "values": {"heart_rate": 118, "map": 60}}


@pytest.mark.parametrize(
    "disturbance",
    [
        [{**AT_13, "type": "discharge"}],
        [{**AT_13, "type": "discharge"}, {**AT_13, "type": "discharge", "cancelled": True}],
        [{**AT_13, "type": "transfer", "ward": "B", "bed": "2"}],
        [{**AT_8, "age": 30}, {**AT_8, "event_id": "back"}],
        [{**AT_8, "time": "2026-11-21T07:00:00Z"}, {**AT_8, "event_id": "again"}],
        [{**AT_8_30, "values": {"lactate": 9.0}, "revision": 1}, {**AT_8_30, "revision": 2}],
        [{**AT_13, "values": {"sbp": 40}}, {**AT_13, "values": {"sbp": None}, "revision": 1}],
    ],
    ids=[
        "discharge", "discharge cancelled", "transfer", "age", "admission", "lactate", "withdrawn",
    ],
)  # fmt: skip
def test_a_disturbed_stay_ends_at_the_risk_of_the_undisturbed_one(
    disturbance: list[dict[str, object]],
) -> None:
    disturbed, undisturbed = Monitor(risk_interval_s=0), Monitor(risk_interval_s=0)
    undisturbed.update_many([AT_8, AT_8_30, AT_12_30])
    _, rejections = disturbed.update_many([AT_8, AT_8_30, AT_12_30, *disturbance])
    assert rejections == []
    risks = [
        [m["risk"] for m in one.update(AT_13_10) if "bin" in m] for one in (disturbed, undisturbed)
    ]
    assert risks[0] == risks[1] != []


@pytest.mark.parametrize("key", ["patient_id", "time", "type", "values"])
def test_a_key_that_stands_twice_is_refused(key: str) -> None:
    parts = {
        "patient_id": '"p"', "time": str(ORIGIN_MS), "type": '"observation"', "values": "{}",
    }  # fmt: skip
    text = ",".join(f'"{name}":{value}' for name, value in parts.items())
    value = f'{{{text},"{key}":{parts[key]}}}'.encode()
    columns = decode([Record(0, 0, 0, b"p", value)], None)
    assert [rejection.reason for rejection in columns.rejections] == [Reason.DUPLICATE_KEY]


def test_an_admission_with_a_location_that_is_too_long_stands() -> None:
    columns = decode([record(admission(0, ward="x" * 129, bed="é" * 128))], None)
    assert columns.rejections == []
