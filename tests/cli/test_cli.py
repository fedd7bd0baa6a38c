"""The command as a whole: exit codes, and every wrong setting named at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from streamer import cli
from streamer.datasets.cohort import DataError
from streamer.local import LocalStackError
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from streamer.sim.knobs import ScenarioError


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataError, 2), (ScenarioError, 2), (LocalStackError, 1), (LogUnavailable, 1),
     (StoreUnavailable, 1)],
)  # fmt: skip
def test_an_error_is_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: type[Exception],
    code: int,
) -> None:
    def fail() -> None:
        raise error("it is away")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == "Error: it is away\n"


def test_each_command_has_a_help_that_begins_with_a_verb() -> None:
    result = CliRunner().invoke(cli.app, ["--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for command in cli.app.registered_commands:
        assert command.callback is not None
        name, sentence = command.callback.__name__, command.callback.__doc__ or ""
        assert name in result.output
        assert not sentence.split()[0].endswith("s"), f"{name}: {sentence.split()[0]}"


def test_a_command_with_wrong_settings_names_every_fault() -> None:
    environment = os.environ | {"STREAMER_PARTITIONS": "none", "STREAMER_RISK_INTERVAL": "-1"}
    ended = subprocess.run(
        [sys.executable, "-m", "streamer", "topics"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "STREAMER_PARTITIONS" in ended.stderr
    assert "STREAMER_RISK_INTERVAL" in ended.stderr
    assert "Traceback" not in ended.stderr
