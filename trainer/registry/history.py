"""History of a registry: a line for each change, chained by hashes so that none can be changed.

Each line names the hash of everything before it (`chain`), computed line by line:
``h = SHA-256(h + line)``, from 32 zero bytes on. Lines of versions before the chain have no
`chain`; the first line after them covers them. A line that was cut by a crash is passed over by
readers; it stays where it is, and the chain covers it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NotRequired, TypedDict, cast

import structlog

_log = structlog.get_logger()
_BEGINNING: Final = bytes(32)
_PARTS: Final = ("time", "what", "model", "why")


class HistoryEntry(TypedDict):
    """A change: RFC 3339 time, what was done, to which model, why, and the hash of all before."""

    time: str
    what: str
    model: str
    why: str
    chain: NotRequired[str]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it is stored, what it says (``None``: unreadable), and the hash of all before."""

    number: int
    entry: HistoryEntry | None
    before: str


class History:
    """The history in a file; whoever appends holds the registry's lock."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def entries(self) -> list[HistoryEntry]:
        """All changes, oldest first."""
        entries = []
        for line in self._lines():
            if line.entry is None:
                _log.warning("line passed over", file=str(self._file), line=line.number)
            else:
                entries.append(line.entry)
        return entries

    def head(self) -> str:
        """The hash of everything that is written so far."""
        hashes = [after for _, after in self._hashed()]
        return (hashes or [_BEGINNING])[-1].hex()

    def append(self, what: str, model: str, why: str) -> None:
        """Adds a change, on disk when this returns."""
        content = self._read()
        entry: HistoryEntry = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "what": what,
            "model": model,
            "why": why,
            "chain": self.head(),
        }
        begin = "" if not content or content.endswith(b"\n") else "\n"  # after a line that was cut
        with self._file.open("a") as history:
            history.write(f"{begin}{json.dumps(entry)}\n")
            history.flush()
            os.fsync(history.fileno())

    def faults(self) -> list[str]:
        """What is wrong with the chain, one sentence a line; empty when all lines are as written.

        That the newest lines were cut off cannot be seen here: the audit lines name the head that
        each change left.
        """
        faults, has_begun = [], False
        for line in self._lines():
            chain = None if line.entry is None else line.entry.get("chain")
            if line.entry is None:
                faults.append(f"line {line.number} cannot be read")
            elif chain is None and has_begun:
                faults.append(f"line {line.number} is not part of the chain")
            elif chain is not None and chain != line.before:
                faults.append(f"a line before line {line.number} was changed, added or removed")
            has_begun |= chain is not None
        return faults

    def _read(self) -> bytes:
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return b""

    def _hashed(self) -> Iterator[tuple[bytes, bytes]]:
        """Each line, and the hash of it and all before."""
        content, digest = self._read(), _BEGINNING
        for line in content.removesuffix(b"\n").split(b"\n") if content else ():
            digest = hashlib.sha256(digest + line).digest()
            yield line, digest

    def _lines(self) -> Iterator[_Line]:
        before = _BEGINNING
        for number, (line, after) in enumerate(self._hashed(), 1):
            yield _Line(number, _entry(line), before.hex())
            before = after


def _entry(line: bytes) -> HistoryEntry | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not all(isinstance(entry.get(p), str) for p in _PARTS):
        return None
    return cast(HistoryEntry, entry)
