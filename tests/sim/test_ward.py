"""The simulated ward as a stream: order, seeds, truth, and what the wire does to it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np
import pytest

from streamer.core.columns import decode
from streamer.core.reasons import ValueProblem
from streamer.core.records import Record
from streamer.core.time import HOUR_MS, read_ms
from streamer.core.variables import VARIABLES
from streamer.feeds.message import Message
from streamer.sim.census import admissions
from streamer.sim.scenario import Scenario, Wire
from streamer.sim.ward import ward

CLEAN = Scenario(beds=8, hours=60, vitals_every_s=300, seed=4, wire=Wire.off())
LIVE = replace(CLEAN, wire=Wire())


def time_ms(message: Message) -> int:
    return round(datetime.fromisoformat(str(message.value["time"])).timestamp() * 1000)


def observations(messages: list[Message]) -> list[Message]:
    return [m for m in messages if m.value.get("type", "observation") == "observation"]


@pytest.fixture(scope="module")
def clean() -> list[Message]:
    return list(ward(CLEAN))


@pytest.fixture(scope="module")
def live() -> list[Message]:
    return list(ward(LIVE))


@pytest.mark.parametrize("scenario", [CLEAN, LIVE])
def test_equal_seeds_give_equal_streams_and_other_seeds_others(scenario: Scenario) -> None:
    once, again = islice(ward(scenario), 3000), islice(ward(scenario), 3000)
    assert list(once) == list(again)
    assert list(islice(ward(replace(scenario, seed=5)), 50)) != list(islice(ward(scenario), 50))


def test_messages_are_due_in_order(clean: list[Message], live: list[Message]) -> None:
    for messages in (clean, live):
        due = np.array([message.due_ms for message in messages])
        assert (np.diff(due) >= 0).all()


def test_the_scorer_accepts_every_message(clean: list[Message], live: list[Message]) -> None:
    for messages, dropped in ((clean, False), (live, True)):
        records = [
            Record(0, i, m.due_ms, m.key.encode(), json.dumps(m.value).encode())
            for i, m in enumerate(messages)
            if m.topic == "vitals"
        ]
        columns = decode(records, future_limit_ms=3_600_000)
        assert columns.rejections == []
        assert bool(columns.problems) is dropped
        assert set(columns.problems) <= {ValueProblem.OUT_OF_LIMITS}


def test_without_the_wire_each_bed_is_in_order_and_nothing_comes_twice(
    clean: list[Message],
) -> None:
    newest: dict[str, int] = defaultdict(int)
    seen = set()
    for message in observations([m for m in clean if m.topic == "vitals"]):
        values: Any = message.value["values"]
        if "heart_rate" in values:
            assert time_ms(message) >= newest[message.key]
            newest[message.key] = time_ms(message)
        content = json.dumps(message.value, sort_keys=True)
        assert content not in seen
        seen.add(content)


def test_clean_values_lie_within_the_limits(clean: list[Message]) -> None:
    limits = {v.name: (v.low, v.high) for v in VARIABLES}
    for message in observations([m for m in clean if m.topic == "vitals"]):
        values: Any = message.value["values"]
        for name, value in values.items():
            low, high = limits[name]
            assert low <= value <= high, name


def test_labs_come_late_by_the_configured_delay(live: list[Message]) -> None:
    scenario = replace(LIVE, wire=replace(Wire.off(), lab_delay_min_minutes=30.0,
                                          lab_delay_max_minutes=90.0))  # fmt: skip
    delays = []
    for message in ward(scenario):
        values: Any = message.value.get("values", {})
        if "creatinine" in values:
            delays.append((message.due_ms - time_ms(message)) / 60_000)
    assert len(delays) > 20
    assert 30 <= min(delays) <= max(delays) <= 90
    assert max(delays) - min(delays) > 30
    assert live, "the same ward with all of the wire says something, too"


def test_repeats_and_overtaking_have_the_configured_frequencies(live: list[Message]) -> None:
    sent = [m for m in live if m.topic == "vitals"]
    repeated = sum(n - 1 for n in Counter(json.dumps(m.value) for m in sent).values())
    # 10,000 messages at 0.5 %: within four standard deviations
    expected = LIVE.wire.duplicate_share * len(sent)
    assert abs(repeated - expected) < 4 * np.sqrt(expected)
    newest: dict[str, int] = defaultdict(int)
    overtaken = 0
    for message in observations(sent):
        values: Any = message.value["values"]
        if "heart_rate" in values:
            overtaken += time_ms(message) < newest[message.key]
            newest[message.key] = max(newest[message.key], time_ms(message))
    assert overtaken > 0


def test_values_in_other_units_name_the_unit() -> None:
    scenario = replace(CLEAN, wire=replace(Wire.off(), other_units_share=1.0))
    sent = observations([m for m in islice(ward(scenario), 3000) if m.topic == "vitals"])
    units: Any = [m.value["units"] for m in sent if m.value.get("units")]
    assert {"[degF]", "%"} <= {unit for named in units for unit in named.values()}


def test_every_stay_has_an_outcome_and_beds_bound_the_patients(clean: list[Message]) -> None:
    inside: set[str] = set()
    ended: Counter[str] = Counter()
    for message in clean:
        kind = message.value.get("type")
        if kind == "admission":
            inside.add(message.key)
        elif kind == "discharge":
            inside.discard(message.key)
            ended[message.key] += 1
        assert len(inside) <= CLEAN.beds
    truth = Counter(m.key for m in clean if m.topic == "outcomes")
    assert ended
    assert set(ended) <= set(truth)
    assert {m.value["type"] for m in clean if m.topic == "outcomes"} <= {
        "sepsis_onset",
        "no_sepsis",
    }


def test_an_outcome_says_the_onset_and_comes_when_it_is_decided() -> None:
    scenario = replace(CLEAN, sepsis_share=1.0, hours=100)
    at_once = [m for m in ward(scenario) if m.topic == "outcomes"]
    labels = {
        stay.patient.patient_id: stay.ms_at(stay.course.onset_h)
        for stay in islice(admissions(scenario), 50)
        if stay.course.onset_h is not None
    }
    assert at_once
    for message in at_once:
        assert message.value["time"] == message.value["decided_time"]
        onset_ms = read_ms(str(message.value["time"]))
        assert message.due_ms == onset_ms == labels[message.key] + 6 * HOUR_MS
    late = [m for m in ward(replace(scenario, outcome_delay_hours=30)) if m.topic == "outcomes"]
    assert late
    assert all(m.due_ms == read_ms(str(m.value["time"])) + 30 * HOUR_MS for m in late)
