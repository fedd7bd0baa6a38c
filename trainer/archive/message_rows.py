"""Outcomes, risks, alerts and people's answers of the log as rows of the archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import orjson
import pyarrow as pa

from streamer.core.answers import read_alert_id
from streamer.core.events import EventRejected, milliseconds
from streamer.core.records import Records
from trainer.archive.arrow import is_logged_time
from trainer.archive.pseudonyms import PatientNames
from trainer.archive.schemas import ACTIONS, ALERTS, OUTCOMES, SCORES, TableSpec

OUTCOME_TYPES: Final = ("sepsis_onset", "no_sepsis", "unknown")
VERDICT: Final = "verdict"
_MOST_TEXT: Final = 80
_US: Final = 1000
_MOST_ALERTS: Final = 2**31 - 1  # of the column

Role = Literal["champion", "shadow"]
Row = dict[str, object]
Content = Mapping[str, Any]


_DOES_NOT_FIT: Final = (pa.ArrowException, OverflowError)
"""What pyarrow raises for a value of another type than that of its column, or beyond its range."""


class _Refused(ValueError):
    """A record that is no such message; the text is the reason."""


def of_outcomes(records: Records, topic_id: str, names: PatientNames) -> pa.Table:
    """Rows of ``outcomes``: one for each record; of a bad one the reason alone."""
    rows: list[Row] = []
    for i in range(len(records)):
        row = _record(records, i, topic_id)
        try:
            rows.append(row | _outcome(_content(records, i), names))
        except _Refused as refused:
            rows.append(row | {"refused": str(refused)})
    return pa.Table.from_pylist(rows, schema=OUTCOMES.schema)


def of_risks(records: Records, topic_id: str, names: PatientNames, role: Role) -> pa.Table:
    """Rows of ``scores``: of each (patient, bin, model) the last risk of the batch."""
    rows: dict[tuple[object, ...], Row] = {}
    for i, content in _messages(records):
        horizons, bin_, model = (content.get(name) for name in ("horizons", "bin", "model"))
        if not isinstance(bin_, int) or not isinstance(model, str):
            continue  # no risk of ours
        horizons = horizons if isinstance(horizons, dict) else {}
        name = names.name(str(content["patient_id"]))
        rows[name, bin_, model] = _record(records, i, topic_id) | {
            "patient": name,
            "time": milliseconds(content["time"]) * _US,
            "bin": bin_,
            "risk": content.get("risk"),
            "risk24": horizons.get("24h"),
            "risk48": horizons.get("48h"),
            "positive": content.get("positive"),
            "model": model,
            "role": role,
        }
    return _table(list(rows.values()), SCORES)


def of_alerts(records: Records, topic_id: str, names: PatientNames, role: Role) -> pa.Table:
    """Rows of ``alerts``; an alert's id holds the patient, so its start and number stand for it.

    Both are null where there is no alert: a patient without one was paused, or a person named one
    that never was and was refused.
    """
    rows: list[Row] = []
    for i, content in _messages(records):
        rows.append(
            _of_alert(records, i, topic_id, content, names)
            | {
                "phase": content.get("phase"),
                "severity": content.get("severity"),
                "role": role,
            }
        )
    return _table(rows, ALERTS)


def of_actions(records: Records, topic_id: str, names: PatientNames) -> pa.Table:
    """Rows of ``actions``: one for each answer of a person among the alerts, refused ones too.

    The person stands under a pseudonym, with the role; name, station and note are not kept. A
    verdict is here, since the service writes it as a phase of its alert; it is never a label.
    """
    rows: list[Row] = []
    for i, content in _messages(records):
        by = content.get("by")
        if not isinstance(by, dict) or not isinstance(by.get("user"), str):
            continue  # vitals or a deadline
        rows.append(
            _of_alert(records, i, topic_id, content, names)
            | {
                "action": content.get("action") or content.get("phase"),
                "refusal": content.get("refusal"),
                "revision": content.get("revision"),
                "state": content.get("state"),
                "minutes": content.get("minutes"),
                "reason": _text(content.get("reason")),
                "verdict": content.get("verdict"),
                "user": names.person(by["user"]),
                "user_role": _text(by.get("role")),
                "action_id": content.get("action_id"),
            }
        )
    return _table(rows, ACTIONS)


def _of_alert(
    records: Records, i: int, topic_id: str, content: Content, names: PatientNames
) -> Row:
    """What the rows of all messages about an alert begin with."""
    started, number = _alert(content.get("alert_id"))
    return _record(records, i, topic_id) | {
        "patient": names.name(str(content["patient_id"])),
        "time": milliseconds(content["time"]) * _US,
        "started": started,
        "number": number,
        "model": content.get("model"),
    }


def _alert(text: object) -> tuple[int | None, int | None]:
    """Start in microseconds since the epoch and number of the alert of an id."""
    named = read_alert_id(text) if isinstance(text, str) else None
    try:
        if named is not None and named.number <= _MOST_ALERTS:
            return milliseconds(named.start) * _US, named.number
    except EventRejected:
        pass
    return None, None


def _table(rows: Sequence[Row], spec: TableSpec) -> pa.Table:
    """Rows as a table; one that does not fit its columns costs itself: it is no message of ours."""
    try:
        return pa.Table.from_pylist(rows, schema=spec.schema)
    except _DOES_NOT_FIT:
        return pa.Table.from_pylist([row for row in rows if _fits(row, spec)], schema=spec.schema)


def _fits(row: Row, spec: TableSpec) -> bool:
    try:
        pa.Table.from_pylist([row], schema=spec.schema)
    except _DOES_NOT_FIT:
        return False
    return True


def _record(records: Records, i: int, topic_id: str) -> Row:
    return {
        "topic_id": topic_id,
        "partition": int(records.partition[i]),
        "offset": int(records.offset[i]),
        "logged": _logged(int(records.timestamp_ms[i])),
    }


def _logged(timestamp_ms: int) -> int | None:
    return timestamp_ms * _US if is_logged_time(timestamp_ms) else None


def _messages(records: Records) -> list[tuple[int, Content]]:
    """The messages of the streamer; what somebody else has written to its topics is left out."""
    messages: list[tuple[int, Content]] = []
    for i in range(len(records)):
        try:
            content = _content(records, i)
            milliseconds(content["time"])
            messages.append((i, content))
        except (_Refused, EventRejected, KeyError):
            continue
    return messages


def _content(records: Records, i: int) -> Content:
    try:
        content = orjson.loads(records.values[i] or b"")
    except orjson.JSONDecodeError as error:
        raise _Refused("not_json") from error
    if not isinstance(content, dict) or not isinstance(content.get("patient_id"), str):
        raise _Refused("no_patient")
    if records.keys[i] != content["patient_id"].encode(errors="replace"):
        raise _Refused("key_mismatch")
    return content


def _outcome(content: Content, names: PatientNames) -> Row:
    kind = content.get("type")
    if kind == VERDICT:
        raise _Refused("verdict")  # about an alert: never a label
    if kind not in OUTCOME_TYPES:
        raise _Refused("type")
    name, position = names.of(content["patient_id"])
    return {
        "patient": name,
        "split": position,
        "type": kind,
        "time": _time(content.get("time")),
        "decided": None if content.get("decided_time") is None else _time(content["decided_time"]),
        "source": _text(content.get("source")),
        "definition": _text(content.get("definition")),
    }


def _time(value: object) -> int:
    try:
        return milliseconds(value) * _US
    except EventRejected as error:
        raise _Refused("time") from error


def _text(value: object) -> str | None:
    return value[:_MOST_TEXT] if isinstance(value, str) else None


MakeRows = Callable[[Records, str], pa.Table]
"""Rows of the records of one topic, whose id is the second argument."""
