"""The measurement of a restore, with some stays on the real servers."""

from __future__ import annotations

from pathlib import Path

from bench.restore import Lost, measure
from streamer.local import LocalStack


def test_stays_come_back_from_their_topic_and_the_line_has_the_time(
    stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    line = measure(stack, tmp_path, topic_prefix, Lost(20, 10, before=30), 2, 1)
    assert "20 stays, 800 events" in line and "200 of them after the mark" in line
    log = (tmp_path / "w0.log").read_text()
    assert log.count('"restored": true') == 2
