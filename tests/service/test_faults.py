from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from pydantic import ValidationError

from streamer.ports.faults import no_fault
from streamer.ports.states import StateWrite
from streamer.service import fault_injection, faults
from streamer.service.settings import Settings
from tests.support.fake_service import FaultyStates, stays_in


def strikes(text: str, passings: list[str]) -> list[tuple[int, str]]:
    """At which of the passings the fault strikes, and how."""
    struck: list[tuple[int, str]] = []
    at = 0

    def note(action: str) -> None:
        struck.append((at, action))

    fault = fault_injection.parse(text, note) if text else faults.parse(text)
    for at, point in enumerate(passings):  # noqa: B007 - `note` reads it
        fault(point)
    return struck


@pytest.mark.parametrize("action", fault_injection.ACTIONS)
@pytest.mark.parametrize("point", faults.POINTS)
def test_a_fault_strikes_once_at_the_named_passing(point: str, action: str) -> None:
    round_ = list(faults.POINTS)
    passings = round_ * 5
    expected = 2 * len(round_) + round_.index(point)
    assert strikes(f"{point}@3:{action}", passings) == [(expected, action)]


def test_an_empty_fault_never_strikes() -> None:
    assert strikes("", list(faults.POINTS) * 3) == []


def test_a_random_fault_repeats_with_its_seed_at_its_probability() -> None:
    passings = ["after_save"] * 2_000
    struck = strikes("random:4:0.1", passings)
    assert struck == strikes("random:4:0.1", passings)
    assert struck != strikes("random:5:0.1", passings)
    assert 120 < len(struck) < 280
    assert not strikes("random:4:0", passings)
    assert len(strikes("random:4:1", passings)) == len(passings)


@pytest.mark.parametrize(
    "text",
    ["kill", "after_save", "after_save@0:kill", "after_save@1:sleep", "lunch@1:kill",
     "random:1:2", "random:1:-0.1", "random:x:0.5"],
)  # fmt: skip
def test_another_text_is_an_error_that_lists_the_points(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_FAULT", text)
    with pytest.raises(
        ValidationError, match=r"is not a fault: use POINT@N:kill.*before_transaction"
    ):
        Settings()


def test_a_process_is_killed_and_nothing_of_it_runs_after() -> None:
    program = (
        "import atexit; from streamer.service import faults\n"
        "atexit.register(print, 'handler')\n"
        "fault = faults.parse('after_save@2:kill')\n"
        "fault('after_save'); print('once', flush=True)\n"
        "try: fault('after_save'); print('twice')\n"
        "finally: print('finally')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == "once\n"


def test_between_two_saves_the_first_partition_is_saved_and_the_next_is_not() -> None:
    states = FaultyStates()
    seen: list[list[int | None]] = []
    interrupted = fault_injection.InterruptedSaves(
        states, lambda _point: seen.append([states.watermark(p) for p in range(3)])
    )
    epochs = [interrupted.take(p).epoch for p in range(3)]
    interrupted.save(
        [StateWrite(p, e, None, 7, "m", 0, "t", {"p": b"x"}) for p, e in enumerate(epochs)]
    )
    assert seen == [[7, None, None], [7, 7, None]]
    assert [stays_in(interrupted, p) for p in range(3)] == [{"p": b"x"}] * 3


def test_a_fault_is_refused_without_fault_injection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "streamer.service.fault_injection", None)
    monkeypatch.delattr("streamer.service.fault_injection")
    assert faults.parse("") is no_fault
    with pytest.raises(ValidationError, match="not part of this installation"):
        Settings(fault="after_save@1:kill")
