from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli import app, replay
from streamer.feeds.message import Message
from tests.support.synthetic_stays import stay, write_parquet

HOUR_MS = 3_600_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "three.parquet", {f"p{i}": stay(4) for i in range(3)})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Message, float | None, str]]:
    """The messages that the command sends, instead of a broker, with speed and label."""
    messages: list[tuple[Message, float | None, str]] = []

    def send(feed: Iterable[Message], speed: float | None, what: str) -> None:
        messages.extend((message, speed, what) for message in feed)

    monkeypatch.setattr(replay, "send", send)
    return messages


def run(*arguments: str | Path) -> None:
    result = CliRunner().invoke(app, ["replay", *map(str, arguments)])
    assert result.exit_code == 0, result.output


def test_all_patients_are_sent_at_any_speed(
    sent: list[tuple[Message, float | None, str]], file: Path
) -> None:
    run(file)
    assert {message.key for message, _, _ in sent} == {"p0", "p1", "p2"}
    assert {(speed, what) for _, speed, what in sent} == {(None, "3 stays")}
    end_ms = max(message.due_ms for message, _, _ in sent)
    now_ms = time.time() * 1000
    assert now_ms - 3 * HOUR_MS < end_ms <= now_ms, "without a start it ends now"


def test_the_first_patients_and_a_start(
    sent: list[tuple[Message, float | None, str]], file: Path
) -> None:
    run(file, "--patients", "2", "--speed", "60", "--start", "2026-01-01T00:00:00Z")
    assert {message.key for message, _, _ in sent} == {"p0", "p1"}
    assert {(speed, what) for _, speed, what in sent} == {(60.0, "2 stays")}
    start_ms = min(message.due_ms for message, _, _ in sent)
    assert 0 <= start_ms - 1_767_225_600_000 <= HOUR_MS


def test_admissions_are_spread(sent: list[tuple[Message, float | None, str]], file: Path) -> None:
    run(file, "--admissions-per-hour", "1", "--start", "2026-01-01T00:00:00Z")
    first_ms: dict[str, int] = {}
    for message, _, _ in sent:
        first_ms.setdefault(message.key, message.due_ms)
    times = sorted(first_ms.values())
    assert times[-1] - times[0] >= HOUR_MS
