"""`streamer check`: check everything that the service depends on, one line for each finding."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from streamer.diagnose.checks import checks
from streamer.diagnose.finding import Level
from streamer.process.terminal import say, say_json
from streamer.service.settings import Settings


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Check everything that the service depends on; a bad finding names the remedy.

    Exits with 1 when the service would not work.
    """
    levels: Counter[Level] = Counter()
    for finding in checks(Settings()):
        levels[finding.level] += 1
        if as_json:
            content = {"check": finding.check, "level": finding.level, "says": finding.message}
            say_json(content)
        else:
            say(f"{finding.level:5} {finding.check:12} {finding.message}")
    if not as_json:
        warnings = "1 warning" if levels[Level.WARN] == 1 else f"{levels[Level.WARN]} warnings"
        say(f"{levels[Level.BAD]} bad, {warnings}")
    if levels[Level.BAD]:
        raise typer.Exit(1)
