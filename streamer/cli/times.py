"""Times on the command line: RFC 3339 with an offset."""

from __future__ import annotations

from datetime import datetime

import typer


def parse_time_ms(text: str, option: str, expected: str = "RFC 3339") -> int:
    """Reads a time as epoch milliseconds.

    Args:
        text: as it was typed.
        option: the option, for the error.
        expected: all forms that the option takes, for the error.

    Raises:
        typer.BadParameter: it is not RFC 3339, or has no offset.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{option} must be {expected}, not {text!r}") from None
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{option} needs an offset: end it with Z or +hh:mm")
    return int(moment.timestamp() * 1000)
