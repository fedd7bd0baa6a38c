"""Output of commands moves no cursor and forges no line; no command prints in another way."""

from __future__ import annotations

import ast
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.process import terminal
from tests.support.paths import ROOT

ODD = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066, 0x2028, 0x2029, 0x61C]))
COMMANDS = sorted((ROOT / "streamer/cli").glob("*.py")) + sorted(
    (ROOT / "trainer/cli").glob("*.py")
)
OTHER_WAYS = {"print", "echo", "secho", "stdout", "stderr", "Console"}


@given(st.text(st.characters()))
def test_any_text_is_one_printable_line(text: str) -> None:
    assert terminal.printable(text).isprintable()
    assert terminal.printable(text.encode(errors="surrogatepass")).isprintable()


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: f"U+{ord(odd):04X}")
def test_no_control_gets_through(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(f"a{odd}b")
    terminal.say_json({"a": f"a{odd}b"})
    terminal.Terminal(file=sys.stdout).print(f"a{odd}b".replace("\n", "\r"))
    line, as_json, drawn = capsys.readouterr().out.splitlines()
    assert line == f"a{odd.encode('unicode_escape').decode()}b"
    assert as_json.isprintable()
    assert json.loads(as_json) == {"a": f"a{odd}b"}
    assert drawn.isprintable()


def test_markup_is_text() -> None:
    console = terminal.Terminal(file=io.StringIO(), width=80)
    console.print("[/]ICU [link=https://example.org]x[/link] :smile:")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "[/]ICU [link=https://example.org]x[/link] :smile:\n"


def test_a_table_has_a_line_a_row_and_cuts_nothing() -> None:
    rows: list[tuple[str | bytes | None, ...]] = [("p1\n", "x" * 300, "1"), (b"\xff", None, "20")]
    assert list(terminal.table(("id", "", "n"), rows, right=(2,))) == [
        "id" + " " * 307 + "n",
        "p1\\n  " + "x" * 300 + "   1",
        "\\xff  -" + " " * 301 + "20",
    ]


@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: "/".join(file.parts[-3:]))
def test_no_command_prints_in_another_way(file: Path) -> None:
    used = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Attribute) and node.attr != "print":  # of a `Terminal`
            used.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            used |= {alias.name for alias in node.names}
    assert not used & OTHER_WAYS


def test_commands_under_a_terminal_show_what_is_foreign_on_lines_of_its_own() -> None:
    ours, theirs = pty.openpty()
    program = [sys.executable, "-m", "tests.support.foreign_text"]
    child = subprocess.Popen(program, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := _read(ours):
            shown += piece
        assert child.wait(60) == 0, shown.decode(errors="replace")
    finally:
        child.kill()
        os.close(ours)
    text = shown.decode()
    assert {c for c in text if not c.isprintable()} == {"\r", "\n"}  # the pty writes CR LF
    lines = text.split("\r\n")
    assert not [line for line in lines if "\r" in line or "\n" in line]
    commands = {
        part.partition("\r\n")[0]: part.split("\r\n")[1:-1] for part in text.split("== ")[1:]
    }
    assert {name: len(printed) for name, printed in commands.items()} == {
        "alerts": 3, "alerts as JSON": 3, "patient": 7, "check": 3, "rejected list": 6,
        "rejected show": 10, "models list": 2, "models show": 4, "log": 2,
    }  # fmt: skip
    for name, printed in commands.items():
        joined = "\n".join(printed)
        assert "[/]" in joined, name
        assert "\\x1b" in joined or "\\u001b" in joined, name


def _read(terminal_end: int) -> bytes:
    try:
        return os.read(terminal_end, 65536)
    except OSError:  # the child has closed its end
        return b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("program", ["streamer", "trainer"])
def test_output_to_a_full_disk_ends_a_command_with_a_sentence(program: str) -> None:
    words = {"streamer": ["check"], "trainer": ["policy", "show"]}[program]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", program, *words],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr == "Error: [Errno 28] No space left on device: '<stdout>'\n"
