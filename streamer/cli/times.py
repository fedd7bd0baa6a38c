"""Times on the command line: RFC 3339 with an offset."""

from __future__ import annotations

import typer

from streamer.core.time import BadTimeError, NoOffsetError, read_ms


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
        return read_ms(text)
    except NoOffsetError:
        raise typer.BadParameter(f"{option} needs an offset: end it with Z or +hh:mm") from None
    except BadTimeError as error:
        raise typer.BadParameter(f"{option} must be {expected}, not {text!r}: {error}") from None
