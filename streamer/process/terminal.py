"""Output of commands: text from outside moves no cursor and forges no line.

Ids, wards, drugs, headers, units and cards are written by others. Commands print through this
module alone; `tests/process/test_terminal.py` reads their source for other ways.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

NOTHING: Final = "-"
_GAP: Final = "  "


def printable(content: str | bytes | None) -> str:
    r"""Writes text on one line, with each character that is not printable as its escape.

    These are controls (line ends, ESC, BEL, DEL, U+009B), format and bidirectional characters
    (U+202E), other blanks than the space, and halves of surrogate pairs. Bytes need not be UTF-8.

    >>> printable("p1\n\x1b[2J\u202e"), printable(b"\xff"), printable(None)
    ('p1\\n\\x1b[2J\\u202e', '\\xff', '-')
    """
    if content is None:
        return NOTHING
    text = content if isinstance(content, str) else content.decode(errors="backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(line: str, *, error: bool = False) -> None:
    """Prints one line, whatever is in it, on standard output or standard error.

    Raises:
        OSError: it cannot be written, as to a file on a full disk; the error names the stream.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        stream.write(printable(line) + "\n")
        stream.flush()
    except OSError as fault:
        if fault.errno != errno.EPIPE:  # a reader that has enough is told nothing
            fault.filename = stream.name
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # what is left in the buffer
        raise


def say_lines(lines: Iterable[str], *, error: bool = False) -> None:
    """Prints each text on one line."""
    for line in lines:
        say(line, error=error)


def say_json(content: object) -> None:
    """Prints one JSON object on one line, in ASCII without controls."""
    text = json.dumps(content)
    say(text.replace("\x7f", "\\u007f"))  # DEL: the one control that JSON leaves as it is


def table(
    head: Sequence[str], rows: Iterable[Sequence[str | bytes | None]], right: Iterable[int] = ()
) -> Iterator[str]:
    """Lays rows out in columns, a line each: nothing is cut or wrapped, on a terminal or in a pipe.

    Args:
        head: names of the columns.
        rows: cells as they came.
        right: columns that are aligned to the right.

    Returns:
        The head and the rows as lines.
    """
    cells = [list(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    aligned = set(right)
    for row in cells:
        padded = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blanks = " " * (width - cell_len(cell))
            padded.append(blanks + cell if i in aligned else cell + blanks)
        yield _GAP.join(padded).rstrip()


class Terminal(Console):
    """A Rich console for bars and tables of our own: no markup, and printable segments only.

    Styles and movements of the cursor are Rich's own; no text can add one.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None, **options: Any) -> None:
        super().__init__(
            stderr=stderr, width=width, markup=False, emoji=False, highlight=False, **options
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Renders as Rich does, and escapes what is not printable."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable() or segment.text == "\n":
                yield segment
            else:
                text = "\n".join(map(printable, segment.text.split("\n")))
                yield Segment(text, segment.style)


def open_streams() -> None:
    """Keeps commands safe from a letter that a terminal lacks, and from a closed stream."""
    sys.stdout = sys.stdout or io.StringIO()
    sys.stderr = sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
