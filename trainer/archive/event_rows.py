"""Events of the log as rows of the archive, and back: as charted, before units and limits.

What comes back enters the streamer's own columns, so it is judged as if it came in now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streamer.core.columns import Parsed, PlainCells, parse_records, without_canaries
from streamer.core.demographics import ICU_TYPES, MAX_LOCATION, SEXES
from streamer.core.events import Fields, Kind
from streamer.core.numbers import read_number, read_years
from streamer.core.observations import Observation
from streamer.core.records import Records
from streamer.core.stay_lifecycle import admission_checksum
from streamer.core.variables import INDEX, N_VARIABLES
from trainer.archive.arrow import array, as_times, is_logged_time, is_null, listed, times_ms
from trainer.archive.pseudonyms import PatientNames
from trainer.archive.schemas import EVENTS, VALUES

_MOST_TEXT: Final = 80  # of a drug's name: whoever writes a report there is cut short
_DETAILS: Final = (
    "age", "sex", "icu_type", "hours_since_hospital_admission", "ward", "said", "cancelled", "drug",
    "class", "action", "dose", "unit",
)  # fmt: skip
_KINDS: Final = tuple(kind.name.lower() for kind in Kind)
_NUMBERS: Final = {kind.name.lower(): int(kind) for kind in Kind}


def of_records(
    records: Records, topic_id: str, names: PatientNames, future_limit_ms: int | None
) -> pa.Table:
    """Rows of ``events``, one for each record.

    Of a record that the streamer rejects only the reason is kept; its bytes are on the topic of
    rejected events. Of a canary nothing is kept.
    """
    parsed = without_canaries(parse_records(records, future_limit_ms))
    n, good = len(records), parsed.record
    named = [names.of(event.patient_id) for event in parsed.events]
    values = _matrix(parsed.events)
    columns: dict[str, Any] = {
        "topic_id": pa.array([topic_id] * n, pa.string()),
        "partition": pa.array(records.partition),
        "offset": pa.array(records.offset),
        "logged": as_times(records.timestamp_ms, ~is_logged_time(records.timestamp_ms)),
        "patient": _spread(n, good, [name for name, _ in named], pa.string()),
        "split": _spread(n, good, [position for _, position in named], pa.int16()),
        "kind": _spread(n, good, [_KINDS[kind] for kind in parsed.kind.tolist()], pa.string()),
        "revision": _spread(n, good, [e.revision for e in parsed.events], pa.int16()),
        "withdrawn": _spread(n, good, list(map(_withdrawn, parsed.events)), pa.list_(pa.string())),
        "units": _spread(n, good, list(map(_units, parsed.events)), _UNITS),
        "replayed": pa.array([of is not None for of in records.replayed_of], pa.bool_()),
    }
    time_ms = np.zeros(n, np.int64)
    time_ms[good] = parsed.time_ms
    is_bad = np.ones(n, np.bool_)
    is_bad[good] = False
    columns["time"] = as_times(time_ms, is_bad)
    refused: list[str | None] = [None] * n
    for rejection in parsed.rejections:
        refused[rejection.record] = rejection.reason.value
    columns["refused"] = pa.array(refused, pa.string())
    details: dict[str, list[object]] = {name: [None] * n for name in _DETAILS}
    for event, fields in parsed.details.items():
        kept = _KEPT[Kind(parsed.kind[event])](int(parsed.time_ms[event]), fields)
        for name, value in kept.items():
            details[name][good[event]] = value
    for name, column in details.items():
        columns[name] = pa.array(column, EVENTS.schema.field(name).type)
    for i, name in enumerate(VALUES):
        spread = np.full(n, np.nan)
        spread[good] = values[:, i]
        columns[name] = pa.array(spread, from_pandas=True)
    schema = EVENTS.file_schema
    return pa.table([columns[name] for name in schema.names], schema=schema)


def to_parsed(rows: pa.Table) -> Parsed:
    """Events of rows that were not refused, in their order."""
    matrix = np.column_stack([array(rows, name) for name in VALUES]).astype(np.float64)
    event, variable = np.nonzero(~np.isnan(matrix))
    units, withdrawn = dict(_present(rows, "units")), dict(_present(rows, "withdrawn"))
    patients, revisions = listed(rows, "patient"), listed(rows, "revision")
    time_ms = times_ms(rows, "time")
    nothing: dict[str, float | None] = {}
    events = [
        Observation(patient, time, nothing, None, revision)
        for patient, time, revision in zip(patients, time_ms.tolist(), revisions, strict=True)
    ]
    # Units are converted, and values withdrawn, event by event as they came.
    by_name = sorted(units.keys() | withdrawn.keys())
    for i in by_name:
        columns = np.flatnonzero(~np.isnan(matrix[i])).tolist()
        values = {VALUES[k]: float(matrix[i, k]) for k in columns} | dict.fromkeys(
            withdrawn.get(i, ())
        )
        named = dict(units[i]) if i in units else None
        events[i] = Observation(patients[i], int(time_ms[i]), values, named, revisions[i])
    plain = np.ones(len(rows), np.bool_)
    plain[by_name] = False
    apart = plain[event]
    event, variable = event[apart], variable[apart]
    cells = PlainCells(event, variable.astype(np.int16), matrix[event, variable])
    kind = np.array([_NUMBERS[name] for name in listed(rows, "kind")], np.uint8)
    others = np.flatnonzero(kind != Kind.OBSERVATION)
    particulars = rows.select(list(_DETAILS)).take(others).to_pylist()
    details = {i: _fields(fields) for i, fields in zip(others.tolist(), particulars, strict=True)}
    record, logged_ms = np.arange(len(rows)), times_ms(rows, "logged")
    return Parsed(events, record, time_ms, logged_ms, kind, details, cells=cells)


_UNITS: Final = pa.map_(pa.string(), pa.string())


def _matrix(events: Sequence[Observation]) -> NDArray[np.float64]:
    """``(E, 34)`` values as charted, NaN where there is none; other variables are left out."""
    values = np.full((len(events), N_VARIABLES), np.nan)
    counts = [len(event.values) for event in events]
    row = np.repeat(np.arange(len(events)), counts)
    names = list(chain.from_iterable(event.values for event in events))
    column = np.array([INDEX.get(name, -1) for name in names], np.intp)
    numbers = np.fromiter(
        chain.from_iterable(event.values.values() for event in events), np.float64, len(names)
    )
    known = column >= 0
    values[row[known], column[known]] = numbers[known]
    return values


def _withdrawn(event: Observation) -> list[str] | None:
    if not event.revision:
        return None
    return [name for name, value in event.values.items() if value is None and name in INDEX] or None


def _units(event: Observation) -> list[tuple[str, str]] | None:
    if not event.units:
        return None
    named = [
        (name, unit[:_MOST_TEXT])
        for name, unit in event.units.items()
        if name in event.values and name in INDEX
    ]
    return named or None


def _admission(time_ms: int, fields: Fields) -> dict[str, object]:
    return {
        "age": read_years(fields.get("age"))[0],
        "sex": _word(fields.get("sex"), SEXES),
        "icu_type": _word(fields.get("icu_type"), ICU_TYPES),
        "hours_since_hospital_admission": read_number(fields.get("hours_since_hospital_admission"))[
            0
        ],
        "ward": _ward(fields),
        # Of what is not kept: an admission that says the same again must be known as such.
        "said": int(admission_checksum(time_ms, fields)),
    }


def _discharge(time_ms: int, fields: Fields) -> dict[str, object]:
    del time_ms
    return {"cancelled": bool(fields.get("cancelled"))}


def _transfer(time_ms: int, fields: Fields) -> dict[str, object]:
    del time_ms
    return {"ward": _ward(fields)}


def _medication(time_ms: int, fields: Fields) -> dict[str, object]:
    del time_ms
    unit = fields.get("unit")
    return {
        "drug": str(fields["drug"])[:_MOST_TEXT],
        "class": fields.get("class"),
        "action": fields["action"],
        "dose": read_number(fields.get("dose"))[0],
        "unit": unit[:_MOST_TEXT] if isinstance(unit, str) else None,
    }


def _action(time_ms: int, fields: Fields) -> dict[str, object]:
    """An action is no data: that somebody acted is kept, not who, nor what they wrote."""
    del time_ms, fields
    return {}


_KEPT: Final[dict[Kind, Callable[[int, Fields], dict[str, object]]]] = {
    Kind.ADMISSION: _admission,
    Kind.DISCHARGE: _discharge,
    Kind.TRANSFER: _transfer,
    Kind.MEDICATION: _medication,
    Kind.ACTION: _action,
}


def _fields(kept: dict[str, Any]) -> Fields:
    """The fields of an event, as far as the fold asks for them."""
    said = kept.pop("said")
    fields = {name: value for name, value in kept.items() if value is not None}
    return fields if said is None else {**fields, "event_id": said}


def _word(value: object, words: Sequence[str]) -> str | None:
    return value if isinstance(value, str) and value in words else None


def _ward(fields: Fields) -> str | None:
    ward = fields.get("ward")
    return ward if isinstance(ward, str) and 0 < len(ward) <= MAX_LOCATION else None


def _spread(n: int, good: NDArray[np.intp], values: Sequence[object], kind: Any) -> Any:
    if len(good) == n:
        return pa.array(values, kind)
    spread: list[object] = [None] * n
    for record, value in zip(good.tolist(), values, strict=True):
        spread[record] = value
    return pa.array(spread, kind)


def _present(rows: pa.Table, name: str) -> list[tuple[int, Any]]:
    """The rows that have something in a column, and what."""
    at = np.flatnonzero(~is_null(rows, name))
    return list(zip(at.tolist(), listed(rows.select([name]).take(at), name), strict=True))
