"""Environment variables of a service, and processes that are started and stopped."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from bench.services import ServiceProcess, running, settings_of

SLEEP = (
    sys.executable,
    "-c",
    "import os, time; print(os.environ['X'], flush=True); time.sleep(60)",
)


def test_variables_become_settings() -> None:
    settings = settings_of({"STREAMER_GROUP": "g", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert settings.group == "g"
    assert settings.kafka_connection()["bootstrap_servers"] == ["127.0.0.1:1"]


def test_a_process_gets_its_variables_and_is_stopped_at_the_end(tmp_path: Path) -> None:
    process = ServiceProcess({"X": "42"}, tmp_path / "log", command=SLEEP)
    with running([process]):
        assert process.exit_code is None
        assert process.pid > 0
    assert process.exit_code == -signal.SIGTERM
