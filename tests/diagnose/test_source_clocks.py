"""`streamer check` names the sources whose clocks are hours off, and no others."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamer.diagnose.finding import Finding, Level
from streamer.diagnose.source_clocks import source_clocks
from streamer.service import http
from streamer.service.health import Health
from streamer.service.source_clocks import SourceClocks
from tests.service.test_http import free_port, get

HOUR_MS = 3_600_000


def test_the_sources_that_are_off_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = SourceClocks()
    recorded = np.arange(20, dtype=np.int64) * 60_000
    for source, behind_hours in (("monitor", 0), ("laboratory", 5), ("pump", -2)):
        measured = recorded - behind_hours * HOUR_MS
        clocks.take([source] * 20, ["p1"] * 20, recorded, measured)
    monkeypatch.setattr(http, "CLOCKS", clocks)
    with http.serving("127.0.0.1", free_port(), Health()) as port:
        assert port is not None
        served = json.loads(get(port, "/sources")[1])["sources"]
        findings = list(source_clocks("127.0.0.1", port, 5))
    assert [clock["source"] for clock in served] == ["laboratory", "pump", "monitor"]
    rest = (
        " the log: its values count for a wrong hour, or come that late; look at its clock and "
        "time zone"
    )
    assert findings == [
        Finding("source", Level.WARN, f"'laboratory' is 5.0 h behind{rest}"),
        Finding("source", Level.WARN, f"'pump' is 2.0 h ahead of{rest}"),
    ]


def test_without_a_service_nothing_is_said() -> None:
    assert list(source_clocks("127.0.0.1", free_port(), 5)) == []
