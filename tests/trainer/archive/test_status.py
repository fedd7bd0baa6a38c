"""Findings of `trainer archive status`."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from bench.archived_log import START_MS, archive
from streamer.adapters.memory.log import MemoryBroker
from streamer.core.time import HOUR_MS
from trainer.archive.status import status


def log_of(hours: list[float], broker: MemoryBroker | None = None) -> MemoryBroker:
    """One partition whose records are logged at these hours; their events go on steadily."""
    broker = broker or MemoryBroker(1)
    for number, hour in enumerate(hours):
        event = {
            "patient_id": "p1",
            "time": START_MS + number * 60_000,
            "values": {"heart_rate": 80},
        }
        broker.append(0, b"p1", orjson.dumps(event), START_MS + round(hour * HOUR_MS))
    return broker


@pytest.mark.parametrize(
    ("hours", "back"),
    [
        ([0, 1, 2, 3], ""),
        ([0, 1, 0.2, 1.1, 1.2], ""),  # brokers differ
        ([0, 1, 2.2, 1.1, 1.3, 2.3], "1.1 h at 2026-01-01T01:06"),  # 1 h on, and set right again
        ([0, 25, 1, 2], "24.0 h at 2026-01-01T01:00"),
    ],
)
def test_a_clock_of_the_log_that_went_back_by_more_than_an_hour_is_a_finding(
    hours: list[float], back: str, tmp_path: Path
) -> None:
    archive(tmp_path, {"vitals": log_of(hours)})
    faults = [fault for fault in status(tmp_path).faults if "clock of the log" in fault]
    assert len(faults) == bool(back)
    assert all(f"went back by {back}" in fault for fault in faults)


def test_a_topic_that_was_made_anew_is_no_clock_that_went_back(tmp_path: Path) -> None:
    broker = log_of([0, 1, 2])
    archive(tmp_path, {"vitals": broker})
    broker.recreate()
    archive(tmp_path, {"vitals": log_of([48, 49], broker)})
    assert not [fault for fault in status(tmp_path).faults if "clock of the log" in fault]
    assert (status(tmp_path).newest_record or "").startswith("2026-01-03T01:00")
