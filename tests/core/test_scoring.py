from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from streamer.core.columns import decode
from streamer.core.reasons import Loss, ValueProblem
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.core.variables import INDEX
from tests.support.event_stream import (
    Event,
    HeartRateModel,
    Stream,
    admission,
    alerts,
    bins,
    discharge,
    event,
    observation,
    record,
)
from tests.support.small_models import random_model

NETWORK = random_model(1)
HEART = HeartRateModel()
MINUTE = 1 / 60


def said_at(interval_s: float, *minutes: float) -> list[int]:
    """Which of some events, at minutes since the admission, is followed by a risk."""
    stream = Stream(NETWORK, interval_s)
    stream.take(
        admission(), *(observation(m * MINUTE, ph=7.0 + i / 100) for i, m in enumerate(minutes))
    )
    return [m.content["offset"] - 1 for m in stream.messages if m.kind == "risk"]


@pytest.mark.parametrize(
    ("interval_s", "expected"),
    [
        (0, [0, 1, 2, 3, 5, 7]),  # an older value of the same hour changes nothing
        (60, [0, 2, 3, 5, 7]),
        (3600, [0, 5, 7]),
        (7200, [0, 7]),
    ],
)
def test_the_first_event_of_each_interval_says_a_risk(
    interval_s: float, expected: list[int]
) -> None:
    # On the edges and just before them; the fifth and the seventh come late.
    assert said_at(interval_s, 0, 0.99, 1, 59.99, 30, 60, 59, 121) == expected


def test_several_bins_may_pass_between_two_evaluations() -> None:
    stream = Stream(NETWORK, interval_s=7200)
    stream.take(admission(), *(observation(h, ph=7.0 + h / 100) for h in range(7)))
    assert bins([m.content for m in stream.messages]) == [0, 2, 4, 6]
    each = Stream(NETWORK)
    each.take(admission(), *(observation(h, ph=7.0 + h / 100) for h in range(7)))
    of_each = {m.content["bin"]: m.content["risk"] for m in each.messages if m.kind == "risk"}
    for message in stream.messages:
        if message.kind == "risk":
            assert message.content["risk"] == of_each[message.content["bin"]]


@pytest.mark.parametrize("late", [observation(0.2, lactate=9), observation(1.5, lactate=9)])
def test_a_late_laboratory_value_is_an_evaluation_and_counts_at_the_next(late: Event) -> None:
    events = [admission(), observation(0.5, ph=7.3), observation(2, ph=7.2)]
    with_it, without = Stream(NETWORK, 60), Stream(NETWORK, 60)
    with_it.take(*events)
    without.take(*events)
    assert bins(with_it.take(late)) == [2]
    assert with_it.take(late) == []
    (risk,) = [m for m in with_it.take(observation(3)) if "bin" in m]
    (other,) = [m for m in without.take(observation(3)) if "bin" in m]
    assert risk["risk"] != other["risk"]


def test_with_interval_0_a_late_event_that_changes_something_says_so() -> None:
    stream = Stream(NETWORK)
    stream.take(admission(), observation(0.5, ph=7.3), observation(2, ph=7.2))
    (first,) = stream.take(late := observation(0.2, lactate=9))
    assert (first["bin"], first["time"]) == (2, "2026-01-01T02:00:00Z")
    assert stream.take(late) == []


def test_an_interval_is_counted_from_the_admission_not_from_the_clock() -> None:
    stream = Stream(NETWORK, 3600)
    messages = stream.take(
        admission(0.5), observation(0.5), observation(1.4), observation(1.5), observation(2)
    )
    assert [m["offset"] for m in messages if "bin" in m] == [1, 3]


def test_an_empty_event_moves_the_clock() -> None:
    stream = Stream(NETWORK, 60)
    assert bins(stream.take(observation(0), observation(5))) == [0, 5]


def test_a_record_is_refused_once_whether_by_decoding_or_by_scoring() -> None:
    stream = Stream(NETWORK)
    stream.take(
        b"rubbish",
        discharge(0),
        admission(0),
        observation(-1, ph=7.3),
        observation(60, ph=7.3),
        observation(2, ph=7.3),
        admission(-400),
        event(0, "medication"),
        observation(60, mood=1, ph=99),
    )
    assert stream.rejections == [
        (0, "not_json"), (1, "no_stay"), (3, "before_admission"), (5, "too_late"), (6, "too_late"),
        (7, "wrong_type"),
    ]  # fmt: skip
    assert stream.n_good == 7  # decoded; four of them were then refused
    assert stream.problems == {ValueProblem.UNKNOWN_VARIABLE: 1, ValueProblem.OUT_OF_LIMITS: 1}


def test_a_decoded_batch_can_be_scored_again_and_counts_the_same() -> None:
    """As it is after a transaction that did not go through."""
    events = [
        admission(age=500, sex="M"),
        observation(0, mood=1, heart_rate=80),
        observation(0, heart_rate=90),
    ]
    columns = decode([record(b"x"), *map(record, events)], None)
    for _ in range(2):
        outcome = Scorer(NETWORK, StayTable(NETWORK.architecture), 0).score(columns, [0] * 3)
        assert outcome.losses == {
            Loss(ValueProblem.OUT_OF_LIMITS, "age", None): 1,
            Loss(ValueProblem.UNKNOWN_CODE, "sex", None): 1,
            Loss(ValueProblem.UNKNOWN_VARIABLE, "mood", None): 1,
            Loss(ValueProblem.CONFLICT, "heart_rate", None): 1,
        }
        assert outcome.problems.total() == 4
        assert len(outcome.rejections) == 1


def test_an_empty_batch() -> None:
    assert Stream(NETWORK).take() == []
    assert Stream(NETWORK).take(b"x", b"") == []


def test_a_stay_belongs_to_the_partition_of_its_first_event() -> None:
    table = StayTable(NETWORK.architecture)
    columns = decode([record(observation(0, name)) for name in "abc"], None)
    Scorer(NETWORK, table, 0).score(columns, [3, 1, 3])
    assert table.slots_in(3).tolist() == [table.slot_of["a"], table.slot_of["c"]]


def test_touched_are_the_stays_that_changed() -> None:
    stream = Stream(NETWORK)
    stream.take(observation(0, "p"), observation(0, "q"), admission(0, "r"))
    stream.table.touched[:] = False
    stream.take(observation(0.1, "q", ph=7.2), admission(0, "r"))
    assert np.flatnonzero(stream.table.touched).tolist() == [stream.table.slot_of["q"]]
    stream.take(discharge(1, "p"), admission(0, "r", age=50))
    assert stream.table.touched.sum() == 3


def test_risk_comes_before_its_alert_and_messages_follow_the_log() -> None:
    stream = Stream(HEART)
    messages = stream.take(
        observation(0, "p", heart_rate=120),
        observation(0, "q", heart_rate=120),
        observation(1, "p", heart_rate=80),
        observation(1, "q", heart_rate=80),
    )
    assert [(m["offset"], m.get("phase", "risk")) for m in messages] == [
        (0, "risk"), (0, "start"), (1, "risk"), (1, "start"),
        (2, "overdue"), (2, "risk"), (2, "end"), (3, "overdue"), (3, "risk"), (3, "end"),
    ]  # fmt: skip
    assert alerts(messages) == [("start", "high")] * 2 + [("end", "high")] * 2


ODD = {
    "emoji": "🛏️", "combining": "e\u0301", "right to left": "\u05de\u05d8", "blank": "a b",
    "128 characters": "é" * 128, "quotes": '"\\', "slashes": "a/b/c",
}  # fmt: skip


@pytest.mark.parametrize("patient", ODD.values(), ids=ODD)
def test_odd_ids_come_out_as_they_went_in(patient: str) -> None:
    stream = Stream(HEART)
    risk, alert = stream.take(observation(0, patient, heart_rate=120))
    assert risk["patient_id"] == alert["patient_id"] == patient
    assert alert["alert_id"] == f"{patient}/2026-01-01T00:00:00Z/1"
    assert {m.key for m in stream.messages} == {patient.encode()}
    assert all(patient.encode() in (m.value or b"") or '"' in patient for m in stream.messages)


def test_the_far_future_with_the_check_off_does_not_stop_the_others() -> None:
    stream = Stream(NETWORK, 60)
    far = {"patient_id": "p", "time": 253_402_300_799_999, "values": {"ph": 7.3}}
    messages = stream.take(observation(0, ph=7.3), far, observation(0, "q", ph=7.2), far)
    assert [(m["patient_id"], m["bin"]) for m in messages if "bin" in m] == [
        ("p", 0),
        ("p", 0),
        ("q", 0),
    ]
    assert messages[1]["time"] == "9999-12-31T23:59:59.999Z"
    assert stream.rejections == []
    stream.take(observation(1, ph=7.3))
    assert stream.rejections == [(4, "too_late")]


def test_the_beginning_of_time() -> None:
    stream = Stream(NETWORK)
    messages = stream.take(
        {"patient_id": "p", "time": "1970-01-01T00:00:00Z", "values": {"ph": 7.3}},
        {"patient_id": "p", "time": "1970-01-01T00:00:00.001Z", "values": {"ph": 7.2}},
    )
    assert [m["time"] for m in messages if "bin" in m] == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.001Z",
    ]


# --- events that are behind their interval


@pytest.mark.parametrize("interval_s", [0, 60])
def test_the_original_of_a_withdrawn_value_says_nothing_when_it_is_repeated(
    interval_s: float,
) -> None:
    stream = Stream(NETWORK, interval_s)
    wrong = observation(0.2, lactate=9)
    stream.take(admission(), observation(0.1, lactate=2), wrong, observation(2, ph=7.2))
    withdrawn = wrong | {"revision": 1, "values": {"lactate": None}}
    assert bins(stream.take(withdrawn)) == [2]
    assert stream.take(wrong, wrong, withdrawn) == []


def test_an_unknown_unit_of_a_correction_withdraws_nothing() -> None:
    stream = Stream(NETWORK)
    first = observation(0.2, lactate=4)
    stream.take(admission(), first)
    stream.take(first | {"revision": 1, "units": {"lactate": "furlong"}})
    assert stream.field("last_value")[INDEX["lactate"]] == 4
    assert stream.problems == {ValueProblem.UNKNOWN_UNIT: 1}


def overtaken(ends: Sequence[int], repeats: int) -> list[tuple[int, float]]:
    """Bins and risks after an event that was 59 minutes ahead; log time goes on by 20 s."""
    stream = Stream(NETWORK, 60)
    stream.take(admission(), observation(0.01, heart_rate=80), at=[0, 0.01])
    stream.take(observation(1, temperature=37), at=[0.02])
    events = [observation(0.02 + i / 180, heart_rate=80 + i) for i in range(30)]
    stamps = [0.021 + i / 180 for i in range(30)]
    again = [i for i in range(30) for _ in range(1 + repeats)]
    stream.take(*(events[i] for i in again), at=[stamps[i] for i in again], ends=ends)
    return [(m.content["bin"], m.content["risk"]) for m in stream.messages if m.kind == "risk"]


def test_what_was_overtaken_is_evaluated_once_an_interval_however_it_is_cut() -> None:
    whole = overtaken([], 0)
    assert 9 <= len(whole) - 2 <= 11  # ten minutes of log time
    for ends, repeats in (([5, 6, 7, 19], 0), (range(1, 30), 0), ([], 1), (range(1, 60, 3), 1)):
        assert overtaken(list(ends), repeats) == whole
