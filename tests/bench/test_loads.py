"""The loads: their sizes, and the events that must cause a risk."""

from __future__ import annotations

import pytest

from bench.loads import Clock, hourly, one_hertz


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
