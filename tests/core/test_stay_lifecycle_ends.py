"""Discharges, transfers and the alerts that end with a stay."""

from __future__ import annotations

import math

import pytest

from streamer.core.stays import NEVER
from streamer.core.time import HOUR_MS
from tests.core.test_stay_lifecycle import NETWORK, stream
from tests.support.event_stream import (
    ORIGIN_MS,
    Event,
    HeartRateModel,
    Stream,
    admission,
    alerts,
    assert_same,
    bins,
    discharge,
    event,
    medication,
    observation,
    ring_value,
    static,
)

# --- the end of a stay


def test_a_discharge_of_nobody() -> None:
    assert stream(discharge(0)).rejections == [(0, "no_stay")]
    assert len(stream(discharge(0)).table) == 0
    assert stream(medication(0, "start"), discharge(0)).rejections == [(1, "no_stay")]
    batch = stream(discharge(0), admission(0), discharge(1))
    assert batch.rejections == [(0, "no_stay")]


def test_results_from_before_the_discharge_are_still_taken() -> None:
    over = stream(admission(), observation(0, ph=7.3), discharge(5))
    assert bins(over.take(observation(4.9, lactate=3), observation(5, lactate=4))) == [4, 5]
    assert over.field("origin_ms") == ORIGIN_MS
    assert ring_value(over, 5, "lactate") == 4


@pytest.mark.parametrize("back", [admission(6, age=61), observation(29, ph=7.3)])
def test_an_admission_or_a_day_after_a_discharge_begins_at_nothing(back: Event) -> None:
    again = stream(admission(age=60), observation(0, ph=7.3), discharge(5), back)
    fresh = stream(back)
    again.take(observation(30, sbp=100))
    fresh.take(observation(30, sbp=100))
    assert_same(again.committed(), fresh.committed())
    assert again.field("discharge_ms") == NEVER


@pytest.mark.parametrize("hours", [5.01, 6, 28.99])
@pytest.mark.parametrize("ends", [[], [1, 2, 3, 4]])
def test_data_from_after_a_discharge_go_on_with_the_stay(hours: float, ends: list[int]) -> None:
    course = [admission(age=60, ward="A"), observation(0, ph=7.3), observation(4, sbp=90)]
    left, stayed = Stream(NETWORK), Stream(NETWORK)
    left.take(*course, discharge(5), observation(hours, lactate=4), ends=ends)
    stayed.take(*course, observation(hours, lactate=4))
    assert_same(left.committed(), stayed.committed())
    assert left.risks() == stayed.risks()
    assert left.table.locations[0] == ("A", "")
    left.take(discharge(5))  # repeated, it does not end the stay again
    assert left.field("discharge_ms") == NEVER


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [0, 1, 0], [1, 0, 0, 1]])
def test_a_discharge_that_is_taken_back_never_was(order: list[int]) -> None:
    pair = [discharge(5), event(5, "discharge", cancelled=True)]
    course = [admission(age=60), observation(0, ph=7.3)]
    back = stream(*course, *(pair[i] for i in order), observation(60, ph=7.2))
    stayed = stream(*course, observation(60, ph=7.2))
    assert back.rejections == []
    assert_same(back.committed(), stayed.committed())
    assert back.risks() == stayed.risks()


def test_a_cancellation_that_is_repeated_takes_no_later_discharge_back() -> None:
    back = event(5, "discharge", cancelled=True)
    gone = stream(admission(), observation(0, ph=7.3), discharge(5), back, discharge(8), back)
    assert gone.field("discharge_ms") == ORIGIN_MS + 8 * HOUR_MS


def test_a_discharge_that_is_ahead_withholds_nothing_until_its_time() -> None:
    one = Stream(HEART)
    one.take(admission(), at=[0])
    one.take(discharge(2), at=[1.2])
    assert alerts(one.take(observation(1.5, heart_rate=102), at=[1.5])) == [("start", "medium")]
    messages = one.take(observation(1.9, heart_rate=102), at=[2.0])
    assert alerts(messages) == [("end", "medium")]
    assert [m.get("reason") for m in messages if "phase" in m] == ["discharge"]


# --- a transfer


def transfer(hours: float, ward: str, bed: str = "") -> Event:
    return event(hours, "transfer", ward=ward, bed=bed)


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [0, 1, 0], [1, 0, 1, 0]])
def test_a_transfer_moves_the_patient_and_nothing_else(order: list[int]) -> None:
    moves = [transfer(2, "B", "4"), transfer(3, "C", "7")]
    course = [admission(age=60, ward="A", bed="1"), observation(0, ph=7.3), observation(2.5, ph=7)]
    moved = stream(*course, *(moves[i] for i in order), observation(3.5, ph=7.1))
    stayed = stream(*course, observation(3.5, ph=7.1))
    assert moved.table.locations[0] == ("C", "7")
    assert_same(moved.committed(), stayed.committed())
    assert bins([m.content for m in moved.messages]) == bins([m.content for m in stayed.messages])


def test_a_transfer_begins_no_stay() -> None:
    assert stream(transfer(0, "A")).rejections == [(0, "no_stay")]
    late = stream(admission(), observation(1), admission(40), transfer(0.5, "A"))
    assert late.rejections == [(3, "too_late")]


@pytest.mark.parametrize("late", [observation(4, ph=6.9), observation(5, ph=6.9), admission(0),
                                  discharge(5), medication(4, "start")])  # fmt: skip
def test_what_is_of_a_past_stay_does_not_touch_the_present_one(late: Event) -> None:
    again = stream(
        admission(), observation(0, ph=7.3), discharge(5), admission(6), observation(6, ph=7.2)
    )
    before = again.committed()
    assert again.take(late) == []
    expected = {"observation": ["before_admission"], "admission": []}  # the same one again
    assert [why for _, why in again.rejections] == expected.get(late["type"], ["too_late"])
    assert_same(before, again.committed())
    assert not again.field("medication_on").any()
    assert again.field("discharge_ms") == NEVER


def test_two_stays_back_to_back_at_the_same_minute() -> None:
    moved = [admission(), observation(0, ph=7.3), discharge(5), admission(5, age=44)]
    again = stream(*moved, observation(5, ph=7.2), discharge(5), observation(6))
    assert again.rejections == [(5, "too_late")]
    assert again.field("origin_ms") == ORIGIN_MS + 5 * HOUR_MS
    assert again.field("open_bin") == 1
    assert static(again)["age"] == 44


def test_a_discharge_from_before_the_newest_event_does_not_repeat_the_stay() -> None:
    early = Stream(NETWORK)
    early.take(admission(), observation(1, ph=7.3), discharge(0.5), at=[0, 1, 1.1])
    assert early.take(observation(1, ph=7.3), at=[1.2]) == []
    assert early.field("discharge_ms") == early.field("newest_ms") == ORIGIN_MS + HOUR_MS
    early.take(observation(25.1), at=[25.1])
    assert early.field("admitted") == 0


def test_what_was_ahead_of_the_log_is_not_before_the_discharge() -> None:
    """Else a device that was an hour ahead would hide an hour of what comes after a mistake."""
    one = Stream(HEART)
    one.take(admission(), observation(1.9, temperature=37), discharge(1), at=[0, 0.95, 1])
    assert alerts(one.take(observation(1.1, heart_rate=102), at=[1.1])) == [("start", "medium")]


def test_a_later_discharge_corrects_the_one_before() -> None:
    twice = stream(admission(), discharge(5), discharge(5), discharge(6), discharge(5))
    assert twice.rejections == []
    assert twice.field("discharge_ms") == ORIGIN_MS + 6 * HOUR_MS


@pytest.mark.parametrize(("hours", "same"), [(336.99, True), (337, False)])
@pytest.mark.parametrize("ends", [[], [1], [2], [1, 2]])
def test_two_weeks_of_silence_begin_a_new_stay(hours: float, same: bool, ends: list[int]) -> None:
    quiet = Stream(NETWORK)
    quiet.take(admission(age=60), observation(0.5, ph=7.3), observation(hours, ph=7.2), ends=ends)
    assert (quiet.field("admitted") == 1) == same
    assert bins([m.content for m in quiet.messages]) == [0, 336 if same else 0]
    assert math.isnan(static(quiet)["age"]) != same


# --- alerts over the end of a stay

HEART = HeartRateModel()


def alerted() -> Stream:
    one = Stream(HEART)
    assert alerts(one.take(admission(), observation(1, heart_rate=102))) == [("start", "medium")]
    return one


@pytest.mark.parametrize("last", [discharge(2), admission(2), observation(400, heart_rate=102)])
def test_an_alert_ends_with_its_stay(last: Event) -> None:
    one = alerted()
    (start,) = [m.content for m in one.messages if m.kind == "alert"]
    messages = one.take(last)
    end = next(m for m in messages if m.get("phase") == "end")
    assert (end["phase"], end["severity"], end["reasons"]) == ("end", "medium", [])
    assert end["reason"] == ("discharge" if last["type"] == "discharge" else "next_stay")
    assert (end["alert_id"], end["offset"]) == (start["alert_id"], 2)
    if last["type"] == "observation":  # the same event then opens the next stay, and its alert
        assert [m.get("phase", m.get("bin")) for m in messages] == ["end", 0, "start"]


def test_after_the_discharge_nothing_starts() -> None:
    one = alerted()
    one.take(discharge(2))
    assert alerts(one.take(observation(1.5, heart_rate=150))) == []


def test_an_alert_that_a_discharge_ended_locks_nothing_out() -> None:
    """The discharge may be a mistake, and the patient is as ill as before."""
    one = alerted()
    one.take(discharge(2))
    assert alerts(one.take(observation(2.1, heart_rate=102))) == [("start", "medium")]


@pytest.mark.parametrize("gap", [[admission(3)], [observation(3, heart_rate=85), admission(3.5)]])
def test_the_lockout_is_the_patients_and_outlives_the_stay(gap: list[Event]) -> None:
    one = alerted()
    one.take(*gap)
    assert alerts(one.take(observation(4, heart_rate=102))) == []
    assert alerts(one.take(observation(12.99, heart_rate=103))) == []
    messages = one.take(observation(13, heart_rate=102))
    assert alerts(messages) == [("start", "medium")]
    assert messages[-1]["alert_id"] == "p/2026-01-01T13:00:00Z/2"


def test_a_rise_of_severity_starts_in_the_lockout_of_the_stay_before() -> None:
    one = alerted()
    one.take(admission(3))
    assert alerts(one.take(observation(4, heart_rate=115))) == [("start", "high")]


# --- admissions that are announced, corrected or repeated while an alert is on


def test_an_announced_admission_ends_no_alert_of_a_stay_that_goes_on() -> None:
    one = Stream(HEART)
    one.take(admission(2, age=60), at=[0.5])
    assert alerts(one.take(observation(1, heart_rate=102), at=[1])) == [("start", "medium")]
    assert alerts(one.take(observation(2.1, heart_rate=102), at=[2.1])) == []
    assert one.field("static")[0] == 60


def test_a_repeated_admission_ends_no_alert() -> None:
    one = Stream(HEART)
    one.take(admission(2), admission(1), observation(1.5, heart_rate=102), at=[2, 2.1, 2.2])
    origin_ms = one.field("origin_ms")
    assert one.take(admission(2), at=[2.3]) == []
    assert one.field("origin_ms") == origin_ms


def test_a_later_admission_takes_the_place_of_an_announced_one() -> None:
    one = Stream(HEART)
    one.take(admission(2, age=50), admission(1.8, age=60), at=[1.5, 1.85])
    one.take(observation(1.9, heart_rate=102), at=[1.9])
    assert alerts(one.take(observation(2.1, heart_rate=102), at=[2.1])) == []
    assert one.field("origin_ms") == ORIGIN_MS + round(1.8 * HOUR_MS)
    assert one.field("static")[0] == 60


def test_an_announced_readmission_describes_the_next_stay_alone() -> None:
    one = Stream(HEART)
    one.take(admission(0, age=60), observation(0), discharge(1), at=[0, 0, 1])
    one.take(admission(30, age=61), at=[29.5])
    assert one.field("static")[0] == 60
    one.take(observation(29.6), at=[29.6])  # a day after the discharge: the next stay has begun
    one.take(observation(30.1), at=[30.1])
    assert one.field("static")[0] == 61


@pytest.mark.parametrize("order", [[0, 1, 0], [1, 0, 0], [1, 0, 1]])
def test_of_two_transfers_at_one_time_the_same_one_wins(order: list[int]) -> None:
    moves = [transfer(2, "A", "1"), transfer(2, "B", "1")]
    moved = stream(admission(ward="C"), *(moves[i] for i in order))
    assert moved.table.locations[0] == ("B", "1")


def test_a_cancellation_that_is_sent_again_takes_no_later_discharge_back() -> None:
    cancelled = event(5, "discharge", cancelled=True)
    moved = Stream(NETWORK)
    moved.take(admission(), observation(1, ph=7.3), discharge(5), cancelled, discharge(7))
    moved.take(cancelled)
    assert moved.field("discharge_ms") == ORIGIN_MS + 7 * HOUR_MS
    moved.take(event(7, "discharge", cancelled=True))
    assert moved.field("discharge_ms") == NEVER


def test_a_withdrawn_value_that_is_sent_again_says_nothing() -> None:
    charted = observation(1, lactate=9.0)
    again = Stream(NETWORK)
    again.take(admission(), charted, charted | {"values": {"lactate": None}, "revision": 1})
    assert again.take(charted) == []


def test_an_admission_that_was_ahead_ends_no_alert_of_a_stay_that_goes_on() -> None:
    ward = Stream(HeartRateModel())
    ward.take(admission(0.5), at=[0.0])
    began = ward.take(observation(0.2, heart_rate=190), at=[0.2])
    assert len(alerts(began)) == 1
    assert not alerts(ward.take(observation(0.6, heart_rate=190), at=[0.6]))
