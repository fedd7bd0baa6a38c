from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli import app, simulate
from streamer.feeds.message import Message


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The messages that the command sends, instead of a broker."""
    messages: list[Message] = []

    def send(
        feed: Iterable[Message], _speed: float | None, _what: str, _ahead_hours: float
    ) -> None:
        messages.extend(feed)

    monkeypatch.setattr(simulate, "send", send)
    return messages


def run(*arguments: str) -> None:
    result = CliRunner().invoke(app, ["simulate", "--start", "2026-01-01T00:00:00Z", *arguments])
    assert result.exit_code == 0, result.output


def test_the_same_seed_is_the_same_ward(sent: list[Message]) -> None:
    run("--beds", "2", "--hours", "3", "--seed", "4")
    first = sent[:]
    sent.clear()
    run("--beds", "2", "--hours", "3", "--seed", "4")
    assert first == sent
    assert len({message.key for message in sent if message.topic == "vitals"}) >= 2
    sent.clear()
    run("--beds", "2", "--hours", "3", "--seed", "5")
    assert first != sent


def test_options_override_the_scenario(sent: list[Message], tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text('{"beds": 5}')
    run("--scenario", str(scenario), "--beds", "1", "--hours", "1")
    assert len({message.key for message in sent if message.topic == "vitals"}) == 1


def test_a_scenario_that_cannot_be_read_is_named(sent: list[Message]) -> None:
    result = CliRunner().invoke(app, ["simulate", "--scenario", "/nowhere/scenario.json"])
    assert "/nowhere/scenario.json cannot be read" in str(result.exception)
    assert sent == []
