"""Time as a ward has it: wrong clocks, silence, repetition, one stay after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from streamer import Monitor
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core import features
from streamer.core.alert_messages import Content
from streamer.core.cleaning import clean
from streamer.core.columns import decode
from streamer.core.events import EventRejected
from streamer.core.reasons import Reason
from streamer.core.time import HOUR_MS
from streamer.core.variables import VARIABLES
from tests.support.event_stream import (
    ORIGIN_MS,
    Event,
    Stream,
    admission,
    assert_same,
    discharge,
    event,
    observation,
    record,
)
from tests.support.small_models import random_model

NETWORK = random_model(7)
SKEW_LIMIT_MS = HOUR_MS
MINUTE = 1 / 60


def course(seed: int, hours: Sequence[int], patient: str = "p", start: float = 0) -> list[Event]:
    """An observation of a few variables in each of some hours."""
    draws = np.random.default_rng(seed)
    events = []
    for hour in hours:
        chosen = draws.choice(len(VARIABLES), 4, replace=False)
        values = {
            VARIABLES[v].name: float(draws.uniform(VARIABLES[v].low, VARIABLES[v].high))
            for v in chosen
        }
        events.append(observation(start + hour + draws.uniform(0.1, 0.9), patient, **values))
    return events


def took(*events: Event, interval_s: float = 0) -> Stream:
    stream = Stream(NETWORK, interval_s)
    stream.take(*events)
    return stream


def without_position(messages: Sequence[Content]) -> list[Content]:
    return [{k: v for k, v in m.items() if k not in {"offset", "alert_id"}} for m in messages]


# --- repetition


@pytest.mark.parametrize("distance_h", [0, 3, 40, 60, 200])
@pytest.mark.parametrize("interval_s", [0, 60])
def test_a_repeated_event_changes_nothing_at_any_distance(
    distance_h: int, interval_s: float
) -> None:
    medication = event(5, "medication", drug="x", action="start")
    once = [admission(age=60, bed="1"), *course(1, range(5)), medication, *course(2, range(5, 10))]
    go_on = course(3, range(10, 10 + distance_h))
    single = took(*once, *go_on, interval_s=interval_s)
    double = took(*once, *go_on, interval_s=interval_s)
    before = double.committed()
    assert double.take(*once, *once) == []
    assert_same(before, double.committed())
    assert {reason for _, reason in double.rejections} <= {"too_late"}
    too_old = [e for e in once if e["type"] == "observation" and hour_of(e) < 9 + distance_h - 48]
    assert len(double.rejections) == 2 * len(too_old)

    after = course(4, range(10 + distance_h, 14 + distance_h))
    assert without_position(double.take(*after)) == without_position(single.take(*after))
    assert_same(single.committed(), double.committed())
    assert np.array_equal(double.field("medication_on"), single.field("medication_on"))


def hour_of(event: Event) -> int:
    return int((event["time"] - ORIGIN_MS) // HOUR_MS)


@pytest.mark.parametrize("distance_h", [0, 3, 40, 60])
def test_a_whole_stay_that_is_repeated_after_the_readmission_changes_nothing(
    distance_h: int,
) -> None:
    old = [admission(age=60), *course(1, range(10)), discharge(10)]
    new = [admission(12, age=61), *course(2, range(12, 13 + distance_h))]
    single, double = took(*old, *new), took(*old, *new)
    assert double.take(*old, *old) == []
    assert [reason for _, reason in double.rejections] == [
        *["before_admission"] * 10, "too_late",
    ] * 2  # the admission is known, word for word  # fmt: skip
    assert_same(single.committed(), double.committed())
    after = course(3, range(14 + distance_h, 18 + distance_h))
    assert without_position(double.take(*after)) == without_position(single.take(*after))


# --- clocks that are wrong


class Ward:
    """A stream whose records hold the time at which each event reached the broker."""

    def __init__(self) -> None:
        self.stream = Stream(NETWORK)
        self.reasons: list[str] = []

    def take(self, event: Event, reached_h: float) -> None:
        reached_ms = ORIGIN_MS + round(reached_h * HOUR_MS)
        columns = decode([record(event, timestamp_ms=reached_ms)], SKEW_LIMIT_MS)
        outcome = self.stream.scorer.score(columns, [0] * len(columns.patients))
        self.reasons += [rejection.reason.value for rejection in outcome.rejections]


@pytest.mark.parametrize("ahead_min", [1, 30, 59, 60])
def test_a_device_that_is_ahead_within_the_limit_harms_no_other(ahead_min: int) -> None:
    """Its events open hours early; events of the others are then late, and still count."""
    right = course(1, range(60))
    ahead = [
        observation(hour + 0.5 + ahead_min * MINUTE, glucose=100.0 + hour) for hour in range(60)
    ]
    ward = Ward()
    ward.take(admission(), 0)
    for hour, (one, other) in enumerate(zip(right, ahead, strict=True)):
        ward.take(other, hour + 0.5)
        ward.take(one, hour + 0.9)
    assert ward.reasons == []
    in_order = took(admission(), *sorted([*right, *ahead], key=lambda one: one["time"]))
    assert_same(ward.stream.committed(), in_order.committed())
    assert ward.stream.risks() == in_order.risks()


@pytest.mark.parametrize("ahead_h", [1.001, 5, 24 * 365])
def test_events_of_a_device_further_ahead_are_rejected_and_move_no_clock(ahead_h: float) -> None:
    ward = Ward()
    ward.take(admission(), 0)
    for hour, measured in enumerate(course(1, range(10))):
        ward.take(observation(hour + ahead_h, glucose=90), hour)
        ward.take(measured, hour + 0.95)
    assert ward.reasons == ["future_time"] * 10
    assert_same(ward.stream.committed(), took(admission(), *course(1, range(10))).committed())


@pytest.mark.parametrize("behind_h", [0.5, 7, 47])
def test_a_device_that_is_behind_counts_for_the_hours_that_it_says(behind_h: float) -> None:
    right = course(1, range(80))
    behind = [observation(max(0, h - behind_h), glucose=100.0 + h) for h in range(80)]
    ward = Ward()
    ward.take(admission(), 0)
    for hour, (one, other) in enumerate(zip(right, behind, strict=True)):
        ward.take(one, hour + 0.9)
        ward.take(other, hour + 0.95)
    assert ward.reasons == []
    in_order = took(admission(), *sorted([*right, *behind], key=lambda one: one["time"]))
    assert_same(ward.stream.committed(), in_order.committed())


def test_events_two_days_behind_or_before_the_admission_are_rejected() -> None:
    ward = Ward()
    ward.take(admission(), 0)
    for hour, measured in enumerate(course(1, range(80))):
        ward.take(measured, hour + 0.9)
        ward.take(observation(hour - 49.5, glucose=100), hour + 0.95)
    assert ward.reasons == ["before_admission"] * 50 + ["too_late"] * 30
    assert_same(ward.stream.committed(), took(admission(), *course(1, range(80))).committed())


# --- silence


@pytest.mark.parametrize("silent_h", [1, 47, 48, 49, 50, 96, 335])
def test_a_stay_after_a_silence_equals_one_with_an_event_each_hour(silent_h: int) -> None:
    back = 10 + silent_h
    spoken = [*course(1, range(10)), *course(2, range(back, back + 5))]
    silent = took(admission(age=70), *spoken)
    beats = [observation(h + 0.95) for h in range(back)]
    steady = took(admission(age=70), *sorted([*spoken, *beats], key=lambda one: one["time"]))
    assert_same(silent.committed(), steady.committed())
    assert silent.risks() == steady.risks()


def test_after_two_silent_days_the_shipped_model_equals_the_trainer() -> None:
    model = build(bundle.load(bundle.SHIPPED))
    hours = [*range(12), *range(60, 70)]
    draws = np.random.default_rng(3)
    rates = draws.uniform(70, 130, len(hours)).round(1).tolist()
    monitor = Monitor()
    messages = monitor.update(admission(age=64, sex="male"))
    for hour, rate in zip(hours, rates, strict=True):
        messages += monitor.update(observation(hour, heart_rate=rate, resp_rate=rate / 5))
    rows = np.full((hours[-1] + 1, len(VARIABLES)), np.nan, np.float32)
    for hour, rate in zip(hours, rates, strict=True):
        for name, value in (("heart_rate", rate), ("resp_rate", rate / 5)):
            rows[hour, [v.name for v in VARIABLES].index(name)] = value
    expected = offline_risks(model, rows, np.array([[64, 1, np.nan, np.nan]], np.float32))
    got = {m["bin"]: m["risk"] for m in messages if "bin" in m}
    assert list(got) == hours
    assert max(abs(risk - expected[hour]) for hour, risk in got.items()) <= 1e-5


def offline_risks(model: Any, rows: Any, static: Any) -> Any:
    """The risk within six hours at each row, in one pass over the whole sequence."""
    memory = features.empty_memory(1)
    seen = []
    for hour, row in enumerate(rows):
        step, memory = features.step(clean(row[None]), np.array([hour], np.int32), static, memory)
        seen.append(step)
    return model.risks(model.logits(np.stack(seen)))[:, 0, 0]


@pytest.mark.parametrize("silent_h", [20, 40])
def test_a_result_from_before_the_silence_still_counts_after_it(silent_h: int) -> None:
    spoken = [*course(1, range(10)), *course(2, range(10 + silent_h, 15 + silent_h))]
    result = observation(9.99, lactate=6.1)
    late = took(admission(), *spoken, result)
    prompt = took(admission(), *spoken[:10], result, *spoken[10:])
    assert late.rejections == []
    assert_same(late.committed(), prompt.committed())
    assert late.risks() == prompt.risks() != took(admission(), *spoken).risks()


def test_a_result_from_before_a_longer_silence_is_rejected() -> None:
    spoken = [*course(1, range(10)), *course(2, range(70, 75))]
    late = took(admission(), *spoken, observation(9.99, lactate=6.1))
    assert late.rejections == [(16, "too_late")]
    assert_same(late.committed(), took(admission(), *spoken).committed())


# --- one stay after the other, and beds


@pytest.mark.parametrize(
    ("ends", "begins", "shift"),
    [
        ([discharge(20)], [admission(20, age=60, sex="male")], 20),
        ([discharge(20)], [admission(90, age=60, sex="male")], 90),
        ([], [admission(20, age=60, sex="male")], 20),
        ([discharge(20)], [admission(20.5, age=60, sex="male")], 20.5),
        ([discharge(20)], [admission(500, age=60, sex="male")], 500),
    ],
)
@pytest.mark.parametrize("interval_s", [0, 60, 3600])
def test_the_second_stay_is_that_of_somebody_new(
    ends: list[Event], begins: list[Event], shift: float, interval_s: float
) -> None:
    first = [admission(age=30, sex="female"), *course(1, range(20)), *ends]
    second = course(2, range(60), start=shift)
    again = took(*first, interval_s=interval_s)
    messages = again.take(*begins, *second)
    fresh = took(*begins, *second, interval_s=interval_s)
    risks = [m for m in without_position(messages) if "bin" in m]
    alone = [m for m in without_position([m.content for m in fresh.messages]) if "bin" in m]
    assert risks == alone
    assert_same(again.committed(), fresh.committed())
    assert again.risks() == fresh.risks()


def test_ten_stays_of_one_patient_leave_nothing_behind() -> None:
    many = Stream(NETWORK)
    for i in range(10):
        stay = [admission(i * 30), *course(i, range(29), start=i * 30), discharge(i * 30 + 29.95)]
        many.take(*stay)
        assert many.rejections == []
        assert_same(many.committed(), took(*stay).committed())
    assert len(many.table) == 1


def test_a_late_result_of_the_old_stay_counts_until_the_next_begins() -> None:
    old = [admission(), *course(1, range(20)), discharge(20)]
    result = observation(15.5, lactate=6.1)
    late = took(*old, result)
    prompt = took(*old[:16], result, *old[16:])
    assert late.rejections == []
    assert_same(late.committed(), prompt.committed())
    late.take(admission(21), *course(2, range(21, 24)))
    before = late.committed()
    assert late.take(observation(15.6, lactate=6.3)) == []
    assert [reason for _, reason in late.rejections] == ["before_admission"]
    assert_same(before, late.committed())


def test_a_transfer_to_another_bed_changes_the_bed_alone() -> None:
    before, after = course(1, range(20)), course(2, range(20, 40))
    moved = took(admission(age=50, ward="A", bed="1"), *before)
    assert moved.take(admission(age=50, ward="B", bed="7")) == []
    moved.take(*after)
    stayed = took(admission(age=50, ward="A", bed="1"), *before, *after)
    assert moved.table.locations[int(moved.slot()[0])] == ("B", "7")
    assert_same(moved.committed(), stayed.committed())
    assert without_position([m.content for m in moved.messages]) == without_position(
        [m.content for m in stayed.messages]
    )


def test_the_library_keeps_the_same_time() -> None:
    """`Monitor` raises where the service rejects, and keeps the stay as it was."""
    monitor, undisturbed = Monitor(risk_interval_s=0), Monitor(risk_interval_s=0)
    start = [admission(age=60), *course(1, range(60))]
    for one in start:
        assert monitor.update(one) == undisturbed.update(one)
    for bad, reason in (
        (observation(3, lactate=6), Reason.TOO_LATE),
        (observation(-1, lactate=6), Reason.BEFORE_ADMISSION),
        (admission(-400), Reason.TOO_LATE),
    ):
        with pytest.raises(EventRejected) as rejected:
            monitor.update(bad)
        assert rejected.value.reason is reason
    assert [monitor.update(one) for one in start[20:]] == [[]] * 41
    late = observation(30.5, lactate=6.1)
    got, wanted = monitor.update(late), undisturbed.update(late)
    assert without_position(got) == without_position(wanted)
    assert got[0]["bin"] == 59
    follow = observation(60 + MINUTE, heart_rate=99)
    assert without_position(monitor.update(follow)) == without_position(undisturbed.update(follow))
