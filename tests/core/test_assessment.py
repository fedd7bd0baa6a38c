from __future__ import annotations

import json

import pytest

from streamer.core.alert_messages import Content
from streamer.core.assessment import EXPECTED
from streamer.core.variables import VARIABLES
from tests.support.event_stream import Event, HeartRateModel, Stream, admission, observation

HEART = HeartRateModel()
MINUTE = 1 / 60


def risk(*events: Event) -> Content:
    stream = Stream(HEART)
    stream.take(*events)
    return [m.content for m in stream.messages if m.kind == "risk"][-1]


@pytest.mark.parametrize(
    ("events", "news2", "qsofa"),
    [
        ([observation(0)], None, None),
        ([observation(0, lactate=4)], None, None),
        ([observation(0, heart_rate=80)], 0, 0),
        ([observation(0, resp_rate=25, sbp=90)], 6, 2),
        # of the last 24 h, to the minute
        ([observation(0, resp_rate=25), observation(24, sbp=90)], 6, 2),
        ([observation(0, resp_rate=25), observation(24 + MINUTE, sbp=90)], 3, 1),
        ([observation(0, resp_rate=25), observation(25)], None, None),
        # oxygen: an FiO2 above room air in the last 24 hour bins
        ([observation(0, heart_rate=80, fio2=0.21)], 0, 0),
        ([observation(0, heart_rate=80, fio2=21)], 0, 0),
        ([observation(0, heart_rate=80, fio2=22)], 2, 0),
        ([observation(0, fio2=0.5), observation(2, heart_rate=80, fio2=0.21)], 2, 0),
        ([observation(0, fio2=0.5), observation(23, heart_rate=80)], 2, 0),
        ([observation(0, fio2=0.5), observation(24, heart_rate=80)], 0, 0),
        ([observation(5, heart_rate=80), observation(1, fio2=0.5)], 2, 0),
        # the newest by measured time, not by arrival
        ([observation(5, heart_rate=80), observation(1, heart_rate=140)], 0, 0),
    ],
)
def test_bedside_scores(events: list[Event], news2: int | None, qsofa: int | None) -> None:
    message = risk(admission(), *events)
    assert (message["news2"], message["qsofa"]) == (news2, qsofa)


@pytest.mark.parametrize(
    ("events", "hours", "oldest"),
    [
        ([observation(0)], 1, None),
        ([observation(3, ph=7.3)], 1, None),
        ([observation(3, map=70)], 1, 0),
        ([observation(3, map=70), observation(5.5, sbp=100)], 3, 150),
        ([observation(3, map=70), observation(5.5, map=75)], 3, 0),
        ([observation(5.5, map=75), observation(3, sbp=100)], 3, 150),
        ([observation(3, map=70), observation(100)], 98, 97 * 60),
        ([observation(3, etco2=30), observation(4, dbp=50)], 2, None),  # not every bed has these
    ],
)
def test_what_is_said_of_the_data(events: list[Event], hours: int, oldest: int | None) -> None:
    data = risk(admission(), *events)["data"]
    assert (data["hours_of_data"], data["oldest_vital_minutes"]) == (hours, oldest)


def test_what_is_missing_is_what_was_not_measured_in_24_h() -> None:
    names = [VARIABLES[v].name for v in EXPECTED]
    everything = {name: float(VARIABLES[v].low) for name, v in zip(names, EXPECTED, strict=True)}
    first = observation(0, **everything)
    assert risk(first)["data"]["values_missing"] == []
    assert risk(first, observation(24, lactate=4))["data"]["values_missing"] == []
    assert risk(first, observation(24.1, lactate=4))["data"]["values_missing"] == [
        name for name in names if name != "lactate"
    ]
    assert risk(observation(0))["data"]["values_missing"] == names


def test_what_is_said_is_json() -> None:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    stream = Stream(HEART)
    stream.take(admission(), observation(0), observation(1, heart_rate=130, lactate=0.1))
    for message in stream.messages:
        assert json.loads(message.value or b"", parse_constant=no_constant) == message.content
