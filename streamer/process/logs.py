"""Set-up of structlog: one JSON object a line for programs, or coloured lines for people."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TextIO, TypeAlias, cast

import structlog
from structlog.typing import EventDict, Processor

from streamer.process.terminal import printable

LogFormat: TypeAlias = Literal["json", "console"]


class UnfailingStream(io.TextIOBase):
    """A stream that takes what it can: a log that cannot be written must not end the program.

    Lines go past the stream's buffer, where lines for a full disk would wait for the exit and make
    it fail.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Writes a text, or loses it; returns its length."""
        with contextlib.suppress(OSError, ValueError):  # full, closed at the other end, or closed
            raw = getattr(getattr(self._stream, "buffer", None), "raw", None)
            if isinstance(raw, io.RawIOBase):
                content = text.encode(errors="backslashreplace")
                while content and (n := raw.write(content)):
                    content = content[n:]
            else:
                self._stream.write(text)
                self._stream.flush()
        return len(text)


class PrintableRenderer(structlog.dev.ConsoleRenderer):
    """Writes an event on one line for people; what came from outside moves no cursor."""

    def __call__(self, logger: object, name: str, event: EventDict) -> str:
        """Renders one event."""
        shown = {
            printable(key): printable(value) if isinstance(value, str) else value
            for key, value in event.items()
        }
        return super().__call__(logger, name, shown)


def configure(
    form: LogFormat, steps: Sequence[Processor] = ()
) -> tuple[list[Processor], Processor]:
    """Sends structured events to standard error, with level and time in UTC.

    Args:
        form: JSON lines, or lines for people.
        steps: processors that each event passes before it is rendered.

    Returns:
        All steps before the renderer, and the renderer: a handler of the standard library's log
        that is given both writes its lines in the same way.
    """
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else PrintableRenderer(colors=sys.stderr.isatty())
    )
    before: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *steps,
    ]
    structlog.configure(
        processors=[*before, renderer],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", UnfailingStream(sys.stderr))),
    )
    return before, renderer


@contextmanager
def silenced() -> Iterator[None]:
    """Drops all events of the block: a command that prints findings of its own has no log."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(_logger: object, _method: str, _event: EventDict) -> EventDict:
    raise structlog.DropEvent
