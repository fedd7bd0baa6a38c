from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from streamer.core.columns import Columns, Parsed, PlainCells, decode, to_columns
from streamer.core.events import Kind
from streamer.core.observations import Observation
from streamer.core.reasons import Reason, ValueProblem
from streamer.core.records import Record
from streamer.core.time import HOUR_MS
from streamer.core.variables import INDEX, VARIABLES
from tests.support.event_stream import ORIGIN_MS, admission, event, observation, record


def one(units: dict[str, str] | None = None, **values: float | None) -> Columns:
    return decode([record(event(0, "observation", values=values, units=units))], None)


def cells(columns: Columns) -> dict[str, float]:
    names = [VARIABLES[v].name for v in columns.variable]
    return dict(zip(names, columns.value.tolist(), strict=True))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "units", "kept", "problem"),
    [
        ({"heart_rate": 80}, None, {"heart_rate": 80}, None),
        ({"heart_rate": None}, None, {}, None),
        ({"heart_rate": NAN}, None, {}, ValueProblem.NOT_FINITE),
        ({"heart_rate": INF}, None, {}, ValueProblem.NOT_FINITE),
        ({"heart_rate": -INF}, None, {}, ValueProblem.NOT_FINITE),
        ({"heart_rate": 10**400}, None, {}, ValueProblem.NOT_FINITE),
        ({"heart_rate": 1e300}, None, {}, ValueProblem.OUT_OF_LIMITS),
        ({"heart_rate": 0}, None, {}, ValueProblem.OUT_OF_LIMITS),
        ({"fio2": 21}, None, {"fio2": 0.21}, None),
        ({"fio2": 0.21}, None, {"fio2": 0.21}, None),
        ({"fio2": 40}, {"fio2": "%"}, {"fio2": 0.4}, None),
        ({"fio2": 5}, None, {}, ValueProblem.OUT_OF_LIMITS),
        ({"temperature": 98.6}, {"temperature": "[degF]"}, {"temperature": 37}, None),
        ({"temperature": 98.6}, None, {}, ValueProblem.OUT_OF_LIMITS),
        ({"temperature": 37}, {"temperature": "K"}, {}, ValueProblem.UNKNOWN_UNIT),
        ({"temperature": None}, {"temperature": "K"}, {}, None),
        ({"temperature": 37}, {"lactate": "K"}, {"temperature": 37}, None),
        ({"temperature": 37}, {"mood": "K"}, {"temperature": 37}, None),
        ({"mood": 5}, None, {}, ValueProblem.UNKNOWN_VARIABLE),
        ({"mood": None}, None, {}, ValueProblem.UNKNOWN_VARIABLE),
        ({"HR": 80}, None, {}, ValueProblem.UNKNOWN_VARIABLE),
        ({"mood": 5}, {"mood": "smile"}, {}, ValueProblem.UNKNOWN_VARIABLE),
    ],
)
def test_a_bad_value_becomes_missing_and_is_counted_once(
    values: dict[str, float | None],
    units: dict[str, str] | None,
    kept: dict[str, float],
    problem: ValueProblem | None,
) -> None:
    columns = one(units, **values, ph=7.4)
    assert cells(columns) == {name: np.float32(v) for name, v in {**kept, "ph": 7.4}.items()}
    assert dict(columns.problems) == ({} if problem is None else {problem: 1})
    assert columns.rejections == []
    assert columns.cell_start.tolist() == [0, len(kept) + 1]


def test_1e999_in_json_is_infinite() -> None:
    value = b'{"patient_id":"p","time":1795255200000,"values":{"heart_rate":1e999,"ph":7.4}}'
    columns = decode([record(value)], None)
    assert columns.problems == {ValueProblem.NOT_FINITE: 1}
    assert cells(columns) == {"ph": np.float32(7.4)}


def test_a_batch_keeps_which_value_is_whose() -> None:
    batch: list[Any] = [
        observation(0, heart_rate=80, ph=99),
        b"rubbish",
        admission(0, "q", age=60, ward="A"),
        observation(1, "q"),
        observation(2, "q", ph=7.1, lactate=NAN, potassium=4, sodium=140),
        b"{}",
    ]
    columns = decode([record(event, i) for i, event in enumerate(batch)], None)
    assert columns.record.tolist() == [0, 2, 3, 4]
    assert columns.patients == ["p", "q", "q", "q"]
    assert columns.time_ms.tolist() == [ORIGIN_MS + h * HOUR_MS for h in (0, 0, 1, 2)]
    assert columns.kind.tolist() == [Kind.OBSERVATION, Kind.ADMISSION, 0, 0]
    assert {e: fields["ward"] for e, fields in columns.details.items()} == {1: "A"}
    assert columns.cell_start.tolist() == [0, 1, 1, 1, 3]
    assert columns.variable.tolist() == [INDEX["heart_rate"], INDEX["ph"], INDEX["potassium"]]
    cells, owner = columns.cells_of(np.array([3, 0, 1]))
    assert cells.tolist() == [1, 2, 0]
    assert owner.tolist() == [0, 0, 1]
    assert [(r.record, r.reason) for r in columns.rejections] == [
        (1, Reason.NOT_JSON), (5, Reason.NO_PATIENT),
    ]  # fmt: skip
    assert columns.problems == {
        ValueProblem.OUT_OF_LIMITS: 1, ValueProblem.NOT_FINITE: 1, ValueProblem.UNKNOWN_VARIABLE: 1,
    }  # fmt: skip


def test_nothing_decodes_to_nothing() -> None:
    for records in ([], [record(b"x")]):
        columns = decode(records, 0)
        assert len(columns.patients) == len(columns.value) == 0
        assert columns.cell_start.tolist() == [0]
        assert len(columns.rejections) == len(records)


@pytest.mark.parametrize(
    ("ahead_ms", "limit_ms", "refused"),
    [(HOUR_MS, HOUR_MS, False), (HOUR_MS + 1, HOUR_MS, True), (10**12, None, False),
     (-(10**12), HOUR_MS, False), (1, 0, True)],
)  # fmt: skip
def test_far_future(ahead_ms: int, limit_ms: int | None, refused: bool) -> None:
    arrived = Record(
        0, 0, ORIGIN_MS, b"p",
        json.dumps({"patient_id": "p", "time": ORIGIN_MS + ahead_ms, "values": {}}).encode(),
    )  # fmt: skip
    columns = decode([arrived], limit_ms)
    assert [r.reason for r in columns.rejections] == [Reason.FUTURE_TIME] * refused
    assert len(columns.patients) == (not refused)


def test_values_that_stand_twice_in_json_count_once_the_last() -> None:
    value = b'{"patient_id":"p","time":1795255200000,"values":{"ph":7.1,"ph":7.4}}'
    assert cells(decode([record(value)], None)) == {"ph": np.float32(7.4)}


def test_values_that_are_kept_apart_are_judged_as_those_of_the_event_itself() -> None:
    """A table of plain values, as the archive has it, beside an event that names a unit."""
    charted: list[dict[str, float | None]] = [
        {"heart_rate": 80.0, "temperature": 37.0},
        {"temperature": 98.6},
        {},
        {"heart_rate": 900.0, "spo2": 97.0},
    ]
    units = [None, {"temperature": "[degF]"}, None, None]
    times = np.arange(4, dtype=np.int64)
    kinds = np.full(4, int(Kind.OBSERVATION), np.uint8)

    def parsed(events: list[Observation], cells: PlainCells | None = None) -> Parsed:
        return Parsed(events, np.arange(4), times, times, kinds, {}, cells=cells)

    whole = to_columns(parsed([Observation("p", i, charted[i], units[i]) for i in range(4)]))
    apart = [(i, n, v) for i in (0, 3) for n, v in charted[i].items()]
    cells = PlainCells(
        np.array([i for i, _, _ in apart], np.intp),
        np.array([INDEX[name] for _, name, _ in apart], np.int16),
        np.array([value for _, _, value in apart], np.float64),
    )
    kept = to_columns(
        parsed(
            [Observation("p", i, charted[i] if i == 1 else {}, units[i]) for i in range(4)], cells
        )
    )
    for name in ("cell_start", "variable", "value", "rank"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(whole, name))
    assert kept.losses == whole.losses
    assert whole.losses.total() == 1
