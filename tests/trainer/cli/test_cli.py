from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from trainer import cli
from trainer.progress import Reporter

HEAVY = ("torch", "matplotlib", "apscheduler", "sklearn", "lightgbm")
PAGES = (
    "", "fit", "run", "models", "models promote", "compare", "explain", "example next-number",
    "example drug-effects", "example readmission", "example mortality",
)  # fmt: skip


def test_help_loads_no_heavy_package() -> None:
    program = (
        "import sys; from trainer.cli import main\n"
        f"for page in {PAGES}:\n"
        "    sys.argv = ['trainer', *page.split(), '--help']\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, page\n"
        f"    assert not sys.modules.keys() & {HEAVY}, page\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    usages = re.findall(r"Usage: trainer(.*?) \[?[A-Z]", done.stdout)
    assert [usage.strip() for usage in usages] == list(PAGES)


def test_a_letter_that_the_terminal_lacks_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    monkeypatch.setattr(sys, "stderr", None)  # closed
    monkeypatch.setattr(cli, "app", lambda: print("38.8 °C", file=sys.stdout, flush=True))
    cli.main()
    assert written.getvalue() == b"38.8 ?C\n"
    assert sys.stderr is not None


def test_a_part_of_the_extra_that_is_missing_is_named(
    trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(cli, "app", lambda: missing("matplotlib.axes"))
    result = trainer("fit")
    assert (result.code, "Traceback" in result.err) == (2, False)
    assert "matplotlib is not installed: pip install 'vigil-icu[train]'" in result.err
    monkeypatch.setattr(cli, "app", lambda: missing("trainer.nothing"))
    with pytest.raises(ModuleNotFoundError):
        cli.main()


@pytest.mark.parametrize("command", ["fit", "tune", "evaluate", "recalibrate", "run", "models"])
def test_help_gives_examples(trainer: Any, command: str) -> None:
    result = trainer(command, "--help")
    assert result.code == 0
    assert "Examples" in result.out
    assert f"trainer {command}" in result.out.replace("Usage", "", 1)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["fit", "--out", "/tmp/x"], "--data is missing"),
        (["fit", "--data", "."], "--out"),
        (["evaluate", "--data", "/none"], "/none"),
        (["evaluate", "--data", ".", "--model", "/none"], "--model /none"),
        (["evaluate", "--data", ".", "--predictions", "/none/p.parquet"], "/none"),
        (["evaluate", "--data", ".", "--split", "half"], "half"),
        (["evaluate", "--data", ".", "--bootstrap", "x"], "bootstrap"),
        (["recalibrate", "--data", ".", "--out", "/tmp/x", "--model", "/none"], "--model /none"),
        (["recalibrate", "--data", ".", "--out", "/tmp/x", "--alert-budget", "0"], "above 0"),
        (["tune", "--data", ".", "--out", "/tmp/x", "--trials", "0"], "trials"),
        (["tune", "--data", ".", "--out", "/tmp/x", "--knob", "salt"], "salt cannot be searched"),
        (["tune", "--data", ".", "--out", "/tmp/x", "--set", "encoder=33"], "leaves out 33"),
        (["tune", "--out", "/tmp/x"], "--data is missing"),
        (["run", "--data", ".", "--cron", "soon"], "soon"),
        (["run", "--data", ".", "--every", "soon"], "soon"),
        (["run", "--data", ".", "--every", "6h", "--cron", "* * * * *"], "exclude"),
        (["run", "--data", ".", "--set", "size=3"], "size"),
        (["run", "--data", ".", "--registry", "/proc/1/x"], "/proc/1/x"),
        (["models", "show", "nobody"], "nobody"),
        (["models", "rollback", "--no-publish"], "no champion before"),
        (["models", "promote", "nobody", "--no-publish"], "nobody"),
        (["nothing"], "nothing"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_why(trainer: Any, words: list[str], fault: str) -> None:
    result = trainer(*words)
    assert result.code == 2, result.err
    assert fault in result.err
    assert "Traceback" not in result.err


def test_wrong_settings_end_with_2_and_are_named(
    trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_THREADS", "many")
    monkeypatch.setenv("TRAINER_LOG_FORMAT", "xml")
    result = trainer("evaluate")
    assert result.code == 2
    assert "TRAINER_THREADS" in result.err
    assert "TRAINER_LOG_FORMAT" in result.err


def test_a_wrong_redis_url_is_wrong_usage(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "localhost")
    result = trainer("run", "--data", ".", "--cron", "x")
    assert result.code == 2
    assert "REDIS_URL" in result.err
    assert "'x' is not a cron" in result.err


def test_a_terminal_shows_a_bar_and_anything_else_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.progress.LINE_EVERY_S", 0.0)
    output = {}
    for terminal in (True, False):
        content = io.StringIO()
        reporter = Reporter(Console(file=content, force_terminal=terminal, highlight=False))
        with reporter.follow("reading") as progress:
            progress(1, 4)
            reporter.say("a line [between]")
            progress(4, 4)
        output[terminal] = content.getvalue()
    assert "4/4" in output[True]
    assert "\x1b[" in output[True]
    assert "reading: 4 of 4" in output[False]
    assert "\x1b[" not in output[False]
    assert all("a line [between]" in text for text in output.values())
