"""`streamer check`: what the service depends on, a line each, and how to mend it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from streamer.diagnose.checks import checks
from streamer.diagnose.finding import Level
from streamer.service.settings import Settings


def check(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Looks at everything the service stands on; a line each, and what to do about a bad one.

    Exits with 1 when the service would not work.
    """
    bad = False
    for finding in checks(Settings()):
        bad |= finding.level is Level.BAD
        if as_json:
            content = {"check": finding.check, "level": finding.level, "says": finding.message}
            print(json.dumps(content), flush=True)
        else:
            print(f"{finding.level:5} {finding.check:12} {finding.message}", flush=True)
    if bad:
        raise typer.Exit(1)
