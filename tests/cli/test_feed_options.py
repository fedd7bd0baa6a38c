from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pytest
import typer

from streamer.cli import feed_options
from streamer.cli.feed_options import parse_speed, parse_start, send
from streamer.feeds.message import Message


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("60", 60.0), ("0.5", 0.5)])
def test_a_speed_is_a_number_or_max(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "fast"])
def test_another_speed_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--speed must be a number above 0 or max"):
        parse_speed(text)


def test_without_a_start_the_feed_ends_now() -> None:
    end_ms = parse_start(None, 2) + 2 * 3_600_000
    assert abs(end_ms - time.time() * 1000) < 60_000


def test_a_start_is_rfc_3339_with_an_offset() -> None:
    assert parse_start("2026-01-01T00:00:00Z", 2) == 1_767_225_600_000
    with pytest.raises(typer.BadParameter, match="--start needs an offset"):
        parse_start("2026-01-01T00:00:00", 2)


def test_a_feed_is_sent_to_the_topics_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed = [Message(0, "vitals", "p", {}), Message(1, "outcomes", "p", {})]
    sent: list[Message] = []

    def publish(
        messages: Iterable[Message], _connection: Any, topics: dict[str, str], **options: Any
    ) -> int:
        assert topics == {"vitals": "icu.vitals", "outcomes": "outcomes"}
        assert options["speed"] == 60
        for message in messages:
            sent.append(message)
            options["progress"](len(sent), message.due_ms)
        return len(sent)

    monkeypatch.setenv("STREAMER_TOPIC_VITALS", "icu.vitals")
    monkeypatch.setattr(feed_options, "publish", publish)
    monkeypatch.setattr(feed_options, "ensure_topics", lambda _settings, _topics: [])
    send(feed, 60, "2 beds")
    assert sent == feed
    assert "2 messages sent" in capsys.readouterr().err
