from __future__ import annotations

import sys
import threading
from pathlib import Path

from streamer.local.child import running_child

DEADLINE_S = 20


def test_one_that_fails_stops_the_others_and_shows_its_log(tmp_path: Path) -> None:
    stop, shown = threading.Event(), list[str]()
    command = [sys.executable, "-c", "print('no licence'); raise SystemExit(3)"]
    with running_child(command, tmp_path / "log", stop, shown.append) as child:
        assert stop.wait(DEADLINE_S)
    assert child.failed
    assert shown == ["no licence\n"]


def test_one_that_runs_is_ended_with_the_block(tmp_path: Path) -> None:
    stop, shown = threading.Event(), list[str]()
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with running_child(command, tmp_path / "log", stop, shown.append) as child:
        assert not stop.is_set()
    assert (child.failed, shown) == (False, [])
