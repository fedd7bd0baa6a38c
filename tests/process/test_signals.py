from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from streamer.process.signals import stop_on_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sets_the_event_and_the_handler_is_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signal() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(10)
    assert signal.getsignal(number) is before


IN_A_WAIT = """
import signal
import subprocess
import sys
from streamer.process.signals import stop_on_signal
with stop_on_signal() as stop:
    with stop._cond:  # as in the middle of `stop.wait`
        signal.raise_signal(signal.SIGTERM)
    print(stop.wait(10))
"""


def test_a_signal_that_lands_while_a_wait_holds_its_lock_is_no_deadlock() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IN_A_WAIT], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout == "True\n"
