"""Text tables as people have them: any separator, encoding, quotes and case of the header.

What is read is brought to one form, so that many small files can be parsed at once. What cannot be
read is refused in one sentence with the file and the cause.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.datasets.cohort import DataError

_SEPARATORS: Final = ("|", ",", ";", "\t")
_SHOWN: Final = 60  # characters of a first line that is no header
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class TextTable:
    """A file without its header.

    Attributes:
        file: where it was read.
        header: names of the columns; known ones as they are spelled in the data set.
        body: a line of UTF-8 for each row, with the separator that was asked for, without quotes.
        lines: the 1-based line number of each row.
    """

    file: Path
    header: list[str]
    body: list[bytes]
    lines: list[int]


def read_text_table(file: Path, columns: Collection[str], separator: str) -> TextTable:
    """Reads a text table.

    Args:
        file: its path.
        columns: names that the header may have; the case of letters does not count.
        separator: that of the rows in the result.

    Raises:
        DataError: it cannot be read, is no text, or has no such header, or one with a name twice.
    """
    rows = [
        (number, line) for number, line in enumerate(_utf8(file).splitlines(), 1) if line.strip()
    ]
    if not rows:
        raise DataError(f"{file}: no rows; it is empty")
    header, own_separator = _header(rows[0][1], columns)
    if header is None:
        first = rows[0][1].decode(errors="replace")[:_SHOWN]
        raise DataError(
            f"{file}: its first line is no header of this data set: {first!r}; expected "
            f"{separator.join(list(columns)[:3])}{separator}... with |, comma, semicolon or tab"
        )
    for name, count in Counter(header).items():
        if count > 1 and name in columns:
            raise DataError(f"{file}: the header has {name} {count} times; keep one column")
    for number, line in rows[1:]:
        if line.strip() == rows[0][1].strip():
            raise DataError(
                f"{file}, line {number}: the header comes again; are these two files in one?"
            )
    old, new = own_separator.encode(), separator.encode()
    body = [line if old == new else line.replace(old, new) for _, line in rows[1:]]
    return TextTable(file, header, body, [number for number, _ in rows[1:]])


def has_header(file: Path, columns: Collection[str]) -> bool:
    """Whether the first line of a file is a header with exactly these columns, in any order."""
    try:
        lines = _utf8(file, first=4096).splitlines()
    except DataError:
        return False
    header, _ = _header(lines[0], columns) if lines else (None, "")
    return header is not None and sorted(header) == sorted(columns)


def _utf8(file: Path, first: int = -1) -> bytes:
    """The content of a text file as UTF-8 without quotes and byte order mark."""
    try:
        with file.open("rb") as opened:
            content = opened.read(first)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    if not content.isascii() or b"\0" in content:
        content = _decoded(content, file, cut=first > 0).encode()
    return content.replace(b'"', b"")  # neither a name nor a number has one in it


def _decoded(content: bytes, file: Path, *, cut: bool) -> str:
    mark, encoding = next(
        ((mark, name) for mark, name in _MARKS if content.startswith(mark)),
        (b"", _unmarked(content)),
    )
    if encoding is None:
        raise DataError(f"{file}: not a text file: it holds zero bytes")
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content[len(mark) :], final=not cut)
    except UnicodeDecodeError:
        if encoding != "utf-8" or mark:
            raise DataError(f"{file}: not a text in {encoding.upper()}, as it begins") from None
    return content.decode(
        "latin-1"
    )  # of Western European spreadsheets; names and numbers are ASCII


def _unmarked(content: bytes) -> str | None:
    """The encoding of text without a mark, by where its zero bytes are; ``None``: it is no text."""
    if b"\0" not in content:
        return "utf-8"
    halves = {"utf-16-be": content[::2], "utf-16-le": content[1::2]}
    return next((name for name, half in halves.items() if half.count(0) * 2 > len(half)), None)


def _header(line: bytes, columns: Collection[str]) -> tuple[list[str] | None, str]:
    """The names in a first line and its separator; ``None`` where it has none of ``columns``."""
    spelled = {name.casefold(): name for name in columns}
    text = line.decode(errors="replace")
    candidates = []
    for separator in _SEPARATORS:
        cells = [cell.strip() for cell in text.split(separator)]
        names = [spelled.get(cell.casefold(), cell) for cell in cells]
        candidates.append((sum(name in columns for name in names), names, separator))
    known, names, separator = max(candidates, key=lambda candidate: candidate[0])
    return (names if known else None), separator
