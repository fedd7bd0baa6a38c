from __future__ import annotations

import pytest

from streamer.cli.progress import Report


def test_elsewhere_than_on_a_terminal_a_plain_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = [0.0]
    monkeypatch.setattr("streamer.cli.progress.time.monotonic", lambda: times[0])
    with Report("2 beds") as report:
        for second in range(13):
            times[0] = float(second)
            report.update(f"{second} messages")
    assert capsys.readouterr().err.splitlines() == ["2 beds: 6 messages", "2 beds: 12 messages"]
