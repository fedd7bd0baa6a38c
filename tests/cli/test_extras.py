"""The streamer where only its own dependencies are installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TRAINING = (
    "torch", "pyarrow", "lightgbm", "sklearn", "scipy", "matplotlib", "optuna", "apscheduler",
)  # fmt: skip
BOARD = ("starlette", "uvicorn", "sse_starlette", "argon2", "itsdangerous")
EXTRAS = TRAINING + BOARD
WITHOUT = f"import sys; sys.modules |= dict.fromkeys({EXTRAS})\n"  # importing them now fails


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", WITHOUT + program, *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_no_extra_is_loaded() -> None:
    """One process for all: none of them loads what cannot be imported."""
    modules = (
        "cli", "cli.board", "cli.demo", "cli.run", "cli.users", "diagnose.checks", "feeds.replay",
        "sim",
    )  # fmt: skip
    ended = run("\n".join(f"import streamer.{module}" for module in modules))
    assert ended.returncode == 0, ended.stderr


def test_replay_names_the_extra_that_it_needs(tmp_path: Path) -> None:
    ended = run("import streamer.cli; streamer.cli.main()", "replay", str(tmp_path))
    assert ended.returncode == 2
    needed = "Error: reading recordings needs pyarrow: pip install 'vigil-icu[replay]'\n"
    assert ended.stderr == needed


@pytest.mark.parametrize("command", [("board",), ("users", "add", "anna", "--role", "nurse")])
def test_the_board_names_the_extra_that_it_needs(command: tuple[str, ...]) -> None:
    ended = run("import streamer.cli; streamer.cli.main()", *command)
    assert ended.returncode == 2
    assert re.fullmatch(
        r"Error: the board needs \w+: pip install 'vigil-icu\[board\]'\n", ended.stderr
    )


def test_the_trainer_names_the_extra_that_it_needs(tmp_path: Path) -> None:
    program = "import trainer.cli; trainer.cli.main()"
    ended = run(program, "fit", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert ended.returncode == 2
    assert "is not installed: pip install 'vigil-icu[train]'" in ended.stderr
