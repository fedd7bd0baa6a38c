from __future__ import annotations

from typing import Any

import orjson
import pytest

from streamer.core.records import Record, Records
from trainer.archive.arrow import listed
from trainer.archive.message_rows import of_alerts
from trainer.archive.pseudonyms import PatientNames

START = "2026-11-21T10:00:00Z"


def alert_row(**fields: Any) -> tuple[object, object, object]:
    content = {"patient_id": "a/b", "time": START, "phase": "start", "severity": "medium", **fields}
    record = Record(0, 7, 1_000, b"a/b", orjson.dumps(content))
    rows = of_alerts(Records.of([record]), "topic", PatientNames(None), "champion")
    assert listed(rows, "patient") == ["a/b"]
    (phase,), (number,) = listed(rows, "phase"), listed(rows, "number")
    return phase, rows["started"].to_pylist()[0] is not None, number


def test_an_alert_is_named_by_its_start_and_number() -> None:
    assert alert_row(alert_id=f"a/b/{START}/2") == ("start", True, 2)


@pytest.mark.parametrize(
    ("phase", "alert_id"),
    [
        ("pause", None),
        ("refused", "none"),
        ("refused", "a/b/soon/1"),
        ("refused", f"a/b/{START}/{10**12}"),
        ("refused", 7),
    ],
)
def test_an_answer_about_no_alert_has_a_row_without_one(phase: str, alert_id: object) -> None:
    assert alert_row(phase=phase, alert_id=alert_id) == (phase, False, None)
