from __future__ import annotations

import numpy as np
import pytest

from streamer.board.patient_history import read_measurements
from streamer.core import features
from streamer.core.codec import CorruptState, Era, encode
from streamer.core.lstm_network import Architecture
from streamer.core.stays import StayTable
from streamer.core.time import HOUR_MS
from streamer.core.variables import INDEX, N_VARIABLES
from tests.support.board import NOW_MS, BoardTrial, alert, at, risk, stay


def stored_stay() -> bytes:
    """A stay of two hours, stepped by a network that the board does not know."""
    table = StayTable(Architecture(len(features.NAMES), hidden=7, layers=2), capacity=1)
    slot, heart_rate = table.add("p1", 3), INDEX["heart_rate"]
    table["started"][slot] = 1
    table["origin_ms"][slot] = NOW_MS - HOUR_MS
    table["open_bin"][slot] = 1
    table.layers["ring"].write_places(
        slot,
        np.array([heart_rate, N_VARIABLES + heart_rate]),
        {
            "value": np.array([91.0, 104.0]),
            "offset_ms": np.array([60_000, 60_000]),
            "rank": np.array([1, 1]),
        },
    )
    table["last_value"][slot, INDEX["lactate"]] = 4.1
    table["last_ms"][slot, INDEX["lactate"]] = NOW_MS - 60_000
    (stored,) = encode(table, np.array([slot]), Era("3fa9c1d20b77", 4))
    return stored


def test_a_stay_is_read_without_its_model() -> None:
    measured = read_measurements("p1", 3, stored_stay())
    assert measured.values == [
        {"variable": "lactate", "value": 4.1, "unit": "mmol/L", "time": at(-1), "low": 0.5,
         "high": 2.0}
    ]  # fmt: skip
    assert measured.vitals == {
        "heart_rate": [(NOW_MS - HOUR_MS + 60_000, 91.0), (NOW_MS + 60_000, 104.0)]
    }
    with pytest.raises(CorruptState):
        read_measurements("p1", 3, stored_stay()[:-1])


def test_a_patient_in_full_with_and_without_the_state_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = BoardTrial()
    trial.write(
        stay(),
        risk(0.02, -90),
        risk(0.05, -1),
        alert("start", -60, revision=1),
        alert("acknowledge", -50, revision=1, note="seen", by={"user": "a.nurse", "name": "Anna"}),
    )
    monkeypatch.setattr(trial.states, "find", lambda _patient, _partitions: (3, stored_stay()))
    with trial.client() as client:
        detail = client.get("/api/patients/p1").json()
        assert detail["history_available"] is True
        assert [v["variable"] for v in detail["values"]] == ["lactate"]
        assert detail["history"] == [
            {"time": at(-90), "risk": 0.02}, {"time": at(-1), "risk": 0.05}
        ]  # fmt: skip
        (episode,) = detail["alerts"]
        assert [m["phase"] for m in episode["messages"]] == ["start", "acknowledge"]
        assert episode["messages"][1]["by"]["name"] == "Anna"
        assert detail["label"] == "Label p1"
        trial.states.available = False
        monkeypatch.undo()
        detail = client.get("/api/patients/p1").json()
        assert (detail["history_available"], detail["values"]) == (False, [])
        assert detail["alerts"], "what the board knows stands"
        assert client.get("/api/board").json()["system"]["history"] == "away"
        assert client.get("/api/patients/nobody").status_code == 404
