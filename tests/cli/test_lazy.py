"""The list of subcommands, which is shown without importing any."""

from __future__ import annotations

import errno
import importlib
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from streamer.cli import app
from streamer.cli.failures import describe
from streamer.cli.lazy import LazyGroup
from streamer.datasets.cohort import DataError
from streamer.local import LocalStackError
from streamer.ports.states import StoreUnavailable
from streamer.service.settings import Settings


def group() -> LazyGroup:
    command = get_command(app)
    assert isinstance(command, LazyGroup)
    return command


GROUP = group()
NAMES = list(GROUP.commands)
SLOW = ("kafka", "redis", "numpy", "pydantic", "structlog", "safetensors")


@pytest.mark.parametrize("name", NAMES)
def test_the_line_of_a_command_is_the_first_sentence_of_its_help(name: str) -> None:
    context = GROUP.make_context("streamer", [name, "--help"], resilient_parsing=True)
    resolved, command, rest = GROUP.resolve_command(context, [name, "--help"])
    assert (resolved, command.name or name, rest) == (name, name, ["--help"])
    first, _, _ = command.help.partition("\n\n")
    assert GROUP.commands[name].help == first.replace("\n", " ")


def test_every_module_that_is_a_command_is_listed() -> None:
    assert {"demo", "up", "run", "check", "rejected"} <= set(NAMES)
    for name in NAMES:
        module = importlib.import_module(f"streamer.cli.{name}")
        assert hasattr(module, name) or hasattr(module, "app")


def test_help_waits_for_nothing_that_computes_or_connects() -> None:
    program = (
        "import sys; from streamer.cli import main\n"
        "sys.argv = ['streamer', '--help']\n"
        "try: main()\n"
        f"finally: print('loaded', *(n for n in {SLOW} if n in sys.modules), file=sys.stderr)"
    )
    words = [sys.executable, "-c", program]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr.split() == ["loaded"]
    assert all(name in ended.stdout for name in NAMES)


def test_a_slip_of_the_pen_is_wrong_usage() -> None:
    ended = CliRunner().invoke(app, ["simualte"])
    assert ended.exit_code == 2
    assert "Did you mean 'simulate'?" in ended.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("no such file"), 2),
        (LocalStackError("the port is in use"), 1),
        (StoreUnavailable("Redis is away"), 1),
        (PermissionError(errno.EACCES, "Permission denied", "/var/lib/vigil"), 1),
    ],
)
def test_a_failure_is_told_in_a_sentence(error: Exception, code: int) -> None:
    assert describe(error) == (f"Error: {error}", code)


def test_wrong_settings_are_told_by_their_names() -> None:
    with pytest.raises(ValueError) as caught:
        Settings(partitions=0)
    described = describe(caught.value)
    assert described is not None
    text, code = described
    assert code == 2
    assert text.startswith("The configuration is wrong:\n  STREAMER_PARTITIONS: ")


@pytest.mark.parametrize(
    "error",
    [KeyError("a bug"), FileNotFoundError(errno.ENOENT, "gone"), ModuleNotFoundError(name="kafka")],
)
def test_a_bug_has_its_traceback(error: Exception) -> None:
    assert describe(error) is None
