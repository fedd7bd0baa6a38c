from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from streamer.process import logs


@pytest.fixture(autouse=True)
def _structlog_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def shouted(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event["event"] = event["event"].upper()
    return event


def test_an_event_is_one_json_object_a_line_after_all_steps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, renderer = logs.configure("json", [shouted])
    structlog.get_logger().warning("model refused", model="m")
    entry = json.loads(capsys.readouterr().err)
    assert (entry["event"], entry["level"], entry["model"]) == ("MODEL REFUSED", "warning", "m")
    assert entry["timestamp"].endswith("Z")
    assert before[-1] is shouted
    assert isinstance(renderer, structlog.processors.JSONRenderer)


FULL = """
import structlog
from streamer.process import logs
logs.configure("json")
for _ in range(3):
    structlog.get_logger().error("nobody reads this", text="x" * 10_000)
print("alive")
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_ends_nothing() -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", FULL],
            stdout=subprocess.PIPE, stderr=full, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, "alive\n")


def test_lines_for_people_are_not_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console")
    structlog.get_logger().info("going on", on="log")
    line = capsys.readouterr().err
    assert "going on" in line
    assert not line.startswith("{")
