"""A laboratory whose clock is five hours behind, beside right monitors, is said and measured."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from streamer.service import metrics, tally
from streamer.service.source_clocks import SourceClocks
from tests.service.test_metrics import figure
from tests.support.fake_service import MINUTE_MS, ORIGIN_MS, FakeService, event, library

SAID = "the clock of a source is hours off"


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> SourceClocks:
    clocks = SourceClocks()
    monkeypatch.setattr(tally, "CLOCKS", clocks)
    monkeypatch.setattr(metrics.SOURCE_BEHIND, "_read", clocks.behind)
    return clocks


def ward_with_a_slow_laboratory() -> list[dict[str, object]]:
    """Lets a service read it; returns what it logs of sources."""
    fake = FakeService(library(5)[0])
    process = fake.process(max_batch=7)
    for minute in range(600, 645):
        at_ms = ORIGIN_MS + minute * MINUTE_MS
        right = {"values": {"heart_rate": 70 + minute % 9}, "source": "monitor"}
        slow = {"values": {"lactate": 2}, "source": "laboratory"}
        admission = {"type": "admission", "source": "adt"}  # has the time of long ago, each time
        for patient, behind, fields in (
            ("p", 0, right), ("q", 300, slow), ("r", 600, admission),
        ):  # fmt: skip
            partition, key, value = event(0, patient, minute - behind, **fields)
            fake.broker.append(partition, key, value, at_ms + 2_000)
    with capture_logs() as lines:
        fake.drain(process)
    return [dict(line) for line in lines if line["event"] == SAID]


def test_it_is_said_once_and_measured_and_the_others_are_right(clocks: SourceClocks) -> None:
    assert ward_with_a_slow_laboratory() == [
        {"event": SAID, "log_level": "warning", "source": "laboratory", "behind_seconds": 18_002}
    ]
    assert clocks.listed() == [
        {"source": "laboratory", "behind_seconds": 18_002, "is_off": True},
        {"source": "monitor", "behind_seconds": 2, "is_off": False},
    ]
    assert figure("vigil_source_behind_seconds", source="laboratory") == 18_002
    assert figure("vigil_source_behind_seconds", source="monitor") == 2
