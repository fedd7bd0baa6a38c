from __future__ import annotations

import importlib.util
import socket
import threading
from pathlib import Path

import pytest
import typer

from streamer.cli import demo
from streamer.service.settings import Settings


def test_the_demo_ends_when_a_part_of_it_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stop = threading.Event()
    with (
        pytest.raises(typer.Exit) as ended,
        demo._child("service", ["no-such-command"], tmp_path, stop),
    ):
        assert stop.wait(60)
    assert ended.value.exit_code == 1
    assert "service failed:" in capfd.readouterr().err


def test_the_board_takes_another_port_if_its_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        port = demo._board_port(Settings(board_port=number))
        assert port not in (None, 0, number)
    assert demo._board_port(Settings(board_port=number)) == number
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert demo._board_port(Settings(board_port=number)) is None, "without the extra"
