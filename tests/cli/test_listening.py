from __future__ import annotations

import socket

import pytest
import typer

from streamer.cli.listening import listening
from streamer.service.health import Health
from streamer.service.http import serving


def test_a_port_in_use_is_a_configuration_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = serving("127.0.0.1", port, Health())
        with (
            pytest.raises(typer.Exit) as ended,
            listening(served, "127.0.0.1", port, "STREAMER_HTTP_PORT"),
        ):
            pass
    assert ended.value.exit_code == 2
    shown = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}" in shown
    assert "Set STREAMER_HTTP_PORT to another port" in shown


def test_an_error_of_the_block_is_its_own() -> None:
    served = serving("127.0.0.1", 0, Health())
    with pytest.raises(OSError, match="disk"), listening(served, "127.0.0.1", 0, "X"):
        raise OSError("the disk is full")
