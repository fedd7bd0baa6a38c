"""A row that is missing, doubled or different is noticed; removed files are no part of a table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.archive_kills import Comparison, compare, live_files
from streamer.core.variables import INDEX

TIME = datetime(2026, 11, 21, 10, tzinfo=UTC)
SENT = {
    (0, n): {
        "patient_id": "p",
        "type": "observation",
        "time": TIME.isoformat(),
        "values": {"heart_rate": 80.0 + n},
    }
    for n in range(3)
}


def row(n: int, **changes: Any) -> dict[str, Any]:
    values = dict.fromkeys(INDEX) | {"heart_rate": 80.0 + n}
    kept = {"partition": 0, "offset": n, "patient": "p", "kind": "observation", "time": TIME}
    return kept | values | changes


def test_rows_that_are_as_sent_are_right() -> None:
    comparison = compare(iter(map(row, range(3))), SENT)
    assert comparison == Comparison(3, 0, 0, 0)
    assert comparison.is_right


def test_a_missing_a_doubled_and_a_different_row_are_counted() -> None:
    comparison = compare(iter([row(0), row(0), row(1, spo2=97.0)]), SENT)
    assert comparison == Comparison(3, 1, 1, 1)
    assert not comparison.is_right
    assert compare(iter([*map(row, range(3)), row(9)]), SENT).different == 1


def test_the_files_of_the_newest_version_are_those_that_no_entry_removed(tmp_path: Path) -> None:
    log = tmp_path / "_delta_log"
    log.mkdir()
    entries: list[list[dict[str, dict[str, str]]]] = [
        [{"add": {"path": "a"}}, {"add": {"path": "b"}}],
        [{"remove": {"path": "a"}}, {"add": {"path": "c"}}],
    ]
    for number, actions in enumerate(entries):
        (log / f"{number:020}.json").write_text("\n".join(map(json.dumps, actions)))
    assert [file.name for file in live_files(tmp_path)] == ["b", "c"]
