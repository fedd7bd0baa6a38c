from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from trainer.progress import LINE_EVERY_S, Reporter


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    log = io.StringIO()
    with Reporter(Console(file=log, width=200)).follow("reading") as report:
        report(1, 10)
        assert log.getvalue() == ""
        now_s += LINE_EVERY_S
        report(2, 10)
        report(3, 10)
    assert log.getvalue() == "reading: 2 of 10, about 40 s left\n"


def test_a_message_is_printed_as_it_is() -> None:
    log = io.StringIO()
    Reporter(Console(file=log, width=40, soft_wrap=True)).say("[bold] 3 of [4] " + "x" * 60)
    assert log.getvalue() == "[bold] 3 of [4] " + "x" * 60 + "\n"


def test_a_terminal_gets_a_bar() -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=80)
    with Reporter(console).follow("reading") as report:
        report(5, 5)
    assert "reading" in terminal.getvalue()
    assert "5/5" in terminal.getvalue()
