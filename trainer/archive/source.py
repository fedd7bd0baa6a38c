"""An archive named on a command line: `archive:FOLDER`, and the versions to read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.datasets.cohort import DataError

SCHEME: Final = "archive:"
_VERSION: Final = re.compile(r"(?P<folder>.+?)(?:@(?P<stays>\d+)(?:\.(?P<outcomes>\d+))?)?")


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """An archive to read stays from; the newest versions of both tables by default."""

    root: Path
    stays_version: int | None = None
    outcomes_version: int | None = None

    @classmethod
    def parse(cls, text: str) -> ArchiveSource | None:
        """Reads `archive:FOLDER`, `archive:FOLDER@STAYS` or `archive:FOLDER@STAYS.OUTCOMES`.

        ``None`` for a path that is no archive.

        >>> ArchiveSource.parse("archive:/a@7.3").outcomes_version
        3
        """
        if not text.startswith(SCHEME):
            return None
        found = _VERSION.fullmatch(text.removeprefix(SCHEME))
        if found is None:
            raise DataError(f"{text}: an archive is archive:FOLDER or archive:FOLDER@VERSION")
        numbers = [None if found[n] is None else int(found[n]) for n in ("stays", "outcomes")]
        return cls(Path(found["folder"]), *numbers)
