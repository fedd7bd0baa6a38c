"""Every command of the documents can be typed as it stands: its name, its options, their values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from streamer import cli as streamer_cli
from tests.support.paths import ROOT
from trainer import cli as trainer_cli

PROGRAMS = {
    "streamer": typer.main.get_command(streamer_cli.app),
    "trainer": typer.main.get_command(trainer_cli.app),
}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def typed_in(page: Path) -> Iterator[str]:
    """The lines of code blocks, and the commands between backticks of the text."""
    fence = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for block in fence.findall(page.read_text()):
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()
    text = fence.sub("", page.read_text())
    yield from (line.strip() for line in text.splitlines() if line.startswith("    "))
    yield from re.findall(r"`([^`]+)`", text.replace("\n", " "))


def commands_of(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Program and arguments; of alternatives the first, and none whose name is left open."""
    for line in typed_in(page):
        match = re.match(rf"(?:[A-Z_]+=\S+ )*({'|'.join(PROGRAMS)}) (.+)", line)
        if match:
            words = shlex.split(match[2], comments=True)
            words = [word.partition("|")[0] for word in words if word not in ("&", "…")]
            if words and not words[0].isupper():
                yield match[1], words


def parse(program: str, words: list[str]) -> None:
    """Parses a command, without running it.

    Raises:
        Exception: it is none, or one of its options or values is wrong.
    """
    command: Any = PROGRAMS[program]
    context = command.context_class(command, info_name=program)
    while hasattr(command, "resolve_command") and words and not words[0].startswith("-"):
        name, command, words = command.resolve_command(context, words)
        context = command.context_class(command, info_name=name, parent=context)
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    unknown = {word for word in words if word.startswith("--")} - known - {"--help"}
    assert not unknown
    is_whole = not hasattr(command, "resolve_command") and "--help" not in words
    if is_whole and len(words) > 1:  # else the text names a command, or an option of it
        command.make_context(command.name, list(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_is_one(page: Path) -> None:
    for program, words in commands_of(page):
        try:
            parse(program, list(words))
        except Exception as error:
            if "does not exist" not in str(error):  # a file of the reader's
                pytest.fail(f"{program} {shlex.join(words)}: {error or type(error).__name__}")


def test_the_law_finds_commands_and_faults() -> None:
    commands = [command for page in PAGES for command in commands_of(page)]
    assert len(commands) > 180
    for wrong in ("streamer ran", "streamer alerts --form-beginning", "trainer fit --epochs x"):
        program, *words = wrong.split()
        with pytest.raises(Exception, match=r"No such command|form-beginning|valid integer"):
            parse(program, words)
