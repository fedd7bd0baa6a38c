"""The loads: their sizes, and the events that must cause a risk."""

from __future__ import annotations

import pytest

from bench.loads import Clock, even_rows, hourly, one_hertz


@pytest.mark.parametrize(
    ("interval_ms", "due"),
    [(60_000, [True, False, False, True, False]), (0, [True] * 5)],
)
def test_the_first_observation_of_each_interval_is_due(interval_ms: int, due: list[bool]) -> None:
    clock = Clock(interval_ms)
    assert [clock.is_due("observation", second * 1000) for second in (5, 6, 64, 65, 66)] == due


def test_intervals_count_from_the_admission_and_late_events_are_not_due_again() -> None:
    clock = Clock(60_000)
    assert not clock.is_due("admission", 0)
    assert [clock.is_due("observation", s * 1000) for s in (59, 61, 30, 121)] == [
        True, True, False, True,
    ]  # fmt: skip
    assert not clock.is_due("medication", 300_000)


def test_hourly_rows_take_turns_among_the_stays() -> None:
    messages = list(hourly(rows=12, stays=4))
    assert len(messages) == 12
    assert len({message.key for message in messages}) == 4
    assert messages[4].due_ms - messages[0].due_ms == 3_600_000


def test_the_ward_ends_with_a_due_event_for_each_patient() -> None:
    messages = list(one_hertz(rows=600, beds=2))
    patients = {message.key for message in messages}
    assert {message.key for message in messages[-len(patients) :]} == patients
    assert all(message.topic == "vitals" for message in messages)


def test_even_rows_have_all_beds_in_each_second_and_a_due_event_at_the_end() -> None:
    messages = list(even_rows(rows=30, beds=10))
    assert len(messages) == 30 + 10
    assert len({message.key for message in messages[:10]}) == 10
    assert [message.due_ms for message in messages] == sorted(
        message.due_ms for message in messages
    )
    clocks = {message.key: Clock(60_000) for message in messages}
    due = [clocks[message.key].is_due("observation", message.due_ms) for message in messages]
    assert due == [True] * 10 + [False] * 20 + [True] * 10
