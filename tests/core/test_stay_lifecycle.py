from __future__ import annotations

import math

import numpy as np
import pytest

from streamer.core.events import MEDICATION_CLASSES, Fields
from streamer.core.features import STATIC
from streamer.core.reasons import ValueProblem
from streamer.core.time import HOUR_MS
from tests.support.event_stream import (
    ORIGIN_MS,
    Event,
    Stream,
    admission,
    assert_same,
    bins,
    discharge,
    medication,
    observation,
    ring_value,
    static,
)
from tests.support.small_models import random_model

NETWORK = random_model(1)


def stream(*events: Event, interval_s: float = 0) -> Stream:
    started = Stream(NETWORK, interval_s)
    started.take(*events)
    return started


# --- admission


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({"age": 60, "sex": "female"}, {"age": 60, "sex": 0}),
        ({"sex": "male", "icu_type": "surgical"}, {"sex": 1, "icu_type": 1}),
        ({"icu_type": "medical"}, {"icu_type": 0}),
        ({"icu_type": "other", "sex": "other"}, {"icu_type": 2}),
        ({"icu_type": "unknown", "sex": "unknown"}, {}),
        ({"icu_type": None, "sex": None, "age": None, "ward": None}, {}),
        ({"hours_since_hospital_admission": -3.5}, {"hours_since_hospital_admission": -3.5}),
        ({"age": 0, "hours_since_hospital_admission": 5367},
         {"age": 0, "hours_since_hospital_admission": 5367}),
    ],
)  # fmt: skip
def test_what_an_admission_says(fields: Fields, known: dict[str, float]) -> None:
    admitted = stream(admission(**fields))
    assert static(admitted) == pytest.approx(
        {name: known.get(name, math.nan) for name in STATIC}, nan_ok=True
    )
    assert (admitted.field("origin_ms"), admitted.field("admitted")) == (ORIGIN_MS, 1)
    assert not admitted.problems
    assert admitted.messages == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("age", math.nan, ValueProblem.NOT_FINITE),
        ("age", math.inf, ValueProblem.NOT_FINITE),
        ("age", -5, ValueProblem.OUT_OF_LIMITS),
        ("age", 500, ValueProblem.OUT_OF_LIMITS),
        ("hours_since_hospital_admission", math.nan, ValueProblem.NOT_FINITE),
        ("hours_since_hospital_admission", 1e300, ValueProblem.OUT_OF_LIMITS),
    ],
)
def test_a_bad_particular_is_missing_and_counted(
    name: str, value: float, problem: ValueProblem
) -> None:
    admitted = stream(admission(**{name: value, "sex": "male"}))
    assert math.isnan(static(admitted)[name])
    assert static(admitted)["sex"] == 1
    assert admitted.problems == {problem: 1}
    assert admitted.rejections == []


def test_a_repeated_admission_corrects_what_it_says_and_keeps_the_rest() -> None:
    again = stream(
        admission(age=70, icu_type="surgical", ward="A"),
        observation(0.5, ph=7.3),
        admission(age=30, sex="female", ward="B", bed="2"),
    )
    assert static(again) == pytest.approx(
        {"age": 30, "sex": 0, "icu_type": 1, "hours_since_hospital_admission": math.nan},
        nan_ok=True,
    )
    assert again.table.locations[0] == ("B", "2")
    assert ring_value(again, 0, "ph") == np.float32(7.3)
    assert again.rejections == []


@pytest.mark.parametrize("corrected", [-40, -1, -0.25, 0.75, 1.9])
def test_a_corrected_admission_lays_the_hours_anew(corrected: float) -> None:
    events = [observation(h / 2, ph=7 + h / 50, heart_rate=70 + h) for h in range(4, 12)]
    wrong = stream(admission(0, age=60), *events[:4], admission(corrected), *events[4:])
    right = stream(admission(corrected, age=60), *events)
    assert_same(wrong.committed(), right.committed())
    assert wrong.risks() == right.risks()
    assert wrong.rejections == []
    before = wrong.committed()
    wrong.take(admission(corrected))
    assert_same(wrong.committed(), before)


@pytest.mark.parametrize("years", [1991, 2015])
def test_an_admission_of_another_time_is_refused(years: int) -> None:
    old = admission((years - 2026) * 365.25 * 24)
    assert stream(admission(), observation(1), old).rejections == [(2, "too_late")]


@pytest.mark.parametrize("ahead", [0.5, 0.98])
def test_an_admission_that_is_ahead_withholds_nothing(ahead: float) -> None:
    """Its record says that its time has not come."""
    one = Stream(NETWORK, 60)
    one.take(admission(ahead, age=60), at=[0])
    for minute in range(1, 70):
        (risk,) = one.take(observation(minute / 60, heart_rate=70 + minute), at=[minute / 60])
        assert risk["bin"] == (minute - 1) // 60
    assert static(one)["age"] == 60
    assert one.rejections == []
    one.take(admission(ahead, age=60), at=[1.5])
    assert one.field("origin_ms") == ORIGIN_MS + HOUR_MS // 60


@pytest.mark.parametrize("corrected", [-3, 0.5, 9])
def test_an_admission_that_is_corrected_before_anything_was_seen(corrected: float) -> None:
    course = [observation(9.5, ph=7.3), observation(11, ph=7.2)]
    wrong = stream(admission(0, age=60, ward="A"), admission(corrected, sex="male"), *course)
    right = stream(admission(corrected, age=60, sex="male"), *course)
    assert_same(wrong.committed(), right.committed())
    assert wrong.table.locations[0] == ("A", "")


def test_an_observation_before_a_known_admission_is_refused() -> None:
    refused = stream(admission(), observation(-0.001, ph=7.3), observation(0, ph=7.2))
    assert refused.rejections == [(1, "before_admission")]
    assert ring_value(refused, 0, "ph") == np.float32(7.2)
    assert refused.field("newest_ms") == ORIGIN_MS


# --- an admission that comes late

COURSE = [
    observation(1.2, heart_rate=70, ph=7.1),
    observation(1.9, resp_rate=18),
    observation(3.4, heart_rate=90, lactate=2),
    observation(20.3, map=60),
    observation(30.7, sbp=100),
]


@pytest.mark.parametrize("admitted", [-300.5, -10.25, 0, 0.5, 1.2, 1.5, 2, 25, 30.7])
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
@pytest.mark.parametrize("interval_s", [0, 60, 7200])
def test_a_late_admission_puts_the_stay_where_it_would_have_been(
    admitted: float, order: list[int], interval_s: float
) -> None:
    late = stream(*(COURSE[i] for i in order), interval_s=interval_s)
    messages = late.take(admission(admitted, age=60))
    in_time = stream(admission(admitted, age=60), *COURSE, interval_s=interval_s)
    assert messages == []
    one, two = late.committed(), in_time.committed()
    for name in ("last_value", "last_ms"):  # to people, values from before the admission stay known
        del one[name], two[name]
    assert_same(one, two)
    assert late.risks() == in_time.risks()
    assert late.take(observation(30.7, sbp=100)) == []


def test_a_late_admission_does_not_evaluate_an_interval_twice() -> None:
    late = stream(observation(0, ph=7.3), observation(1.5, ph=7.2), interval_s=3600)
    late.take(admission(-0.25))
    # Hours since the admission now end at a quarter to: 1.5 h lies in the one until 1.75 h.
    assert bins(late.take(observation(1.7, ph=7.1), observation(1.75, ph=7.1))) == [2]


def test_a_stay_that_has_outgrown_its_ring_keeps_its_hours() -> None:
    long = stream(*(observation(h, ph=7.3) for h in range(60)))
    before = long.field("open_bin"), long.field("origin_ms")
    long.take(admission(-5, age=60))
    assert (long.field("open_bin"), long.field("origin_ms")) == before
    assert static(long)["age"] == 60


def test_an_admission_after_all_that_was_seen_begins_anew() -> None:
    anew = stream(observation(0, ph=7.3), admission(0.5), observation(1))
    assert anew.field("origin_ms") == ORIGIN_MS + HOUR_MS // 2
    assert np.isnan(anew.field("last_value")).all()


# --- medication


def on(stream: Stream) -> dict[str, bool]:
    return dict(zip(MEDICATION_CLASSES, stream.field("medication_on").tolist(), strict=True))


@pytest.mark.parametrize(
    ("events", "running"),
    [
        ([medication(0, "start")], True),
        ([medication(0, "rate")], True),
        ([medication(0, "start"), medication(1, "stop")], False),
        ([medication(1, "stop"), medication(0, "start")], False),
        ([medication(0, "stop"), medication(0, "start")], False),
        ([medication(0, "start"), medication(0, "stop")], False),
        ([medication(0, "stop"), medication(1, "bolus")], True),
    ],
)
def test_medication_is_what_was_said_last(events: list[Event], running: bool) -> None:
    assert on(stream(*events)) == {**dict.fromkeys(MEDICATION_CLASSES, 0), "other": running}


def test_medication_that_comes_first_is_kept_for_the_stay() -> None:
    first = medication(-1, "start", **{"class": "antibiotic"})
    for begun in (admission(), observation(0, ph=7.3)):
        assert on(stream(first, begun))["antibiotic"]
        between = stream(admission(-39), discharge(-35), first, begun)
        assert on(between)["antibiotic"]
        past = stream(admission(-39), medication(-38, "start"), discharge(-35), begun)
        assert not any(on(past).values())
    at_once = stream(admission(-9), discharge(-1), first, admission())  # the same minute: the next
    assert on(at_once)["antibiotic"]


def test_medication_says_nothing() -> None:
    assert stream(admission(), medication(0, "start")).messages == []
