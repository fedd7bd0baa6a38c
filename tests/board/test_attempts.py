from __future__ import annotations

from streamer.board.attempts import Attempts, Lockout


def test_the_sixth_attempt_of_a_minute_is_refused_and_the_window_slides() -> None:
    attempts = Attempts(5, 60)
    assert [attempts.take("a", second) for second in range(6)] == [True] * 5 + [False]
    assert attempts.take("b", 5), "another key"
    assert attempts.take("a", 60.5)
    assert not attempts.take("a", 60.6)


def test_five_failures_lock_for_five_minutes() -> None:
    pins = Lockout(5, 300)
    for second in range(5):
        assert pins.is_open("a", second)
        pins.failed("a", second)
    assert not pins.is_open("a", 303)
    assert pins.is_open("a", 304)


def test_a_success_forgets_failures() -> None:
    pins = Lockout(2, 300)
    pins.failed("a", 0)
    pins.succeeded("a")
    pins.failed("a", 1)
    assert pins.is_open("a", 1)


def test_memory_is_bounded_whatever_names_are_tried() -> None:
    attempts, pins = Attempts(5, 60), Lockout(5, 300)
    for i in range(10_050):
        attempts.take(str(i), 0)
        pins.failed(str(i), 0)
    assert len(attempts._times) == len(pins._failures) == 10_000
