from __future__ import annotations

import json

from bench.archived_log import PLAIN, START_MS
from streamer.core.records import Record, Records
from tests.support.canaries import golden, probe
from trainer.archive.arrow import listed
from trainer.archive.event_rows import of_records, to_parsed


def test_of_canaries_nothing_is_kept() -> None:
    stay = golden(3)[1]
    events = [
        (0, b"p", json.dumps({"patient_id": "p", "time": START_MS, "type": "admission"}).encode()),
        *probe(stay, 0, 0),
        (0, b"q", b"no event"),
        (0, b"p", json.dumps({"patient_id": "p", "time": START_MS, "values": {}}).encode()),
    ]
    records = Records.of(
        Record(0, offset, START_MS, key, value) for offset, (_, key, value) in enumerate(events)
    )
    rows = of_records(records, "topic", PLAIN, None)
    n = len(events)
    assert listed(rows, "offset") == list(range(n)), "every offset is accounted for"
    assert listed(rows, "refused") == [None, *["test_data"] * (n - 3), "not_json", None]
    assert listed(rows, "patient") == ["p", *[None] * (n - 2), "p"]
    assert [rows[name].null_count for name in ("heart_rate", "ward", "age")] == [n] * 3
    good = rows.filter(rows["refused"].is_null())
    assert [event.patient_id for event in to_parsed(good).events] == ["p", "p"]
