from __future__ import annotations

import threading
from pathlib import Path

import pytest
import typer

from streamer.cli import demo


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
