"""`streamer` as a later version might be: stays have a field more, and a format of their own.

It stands in for the version after this one, which does not exist yet. This version cannot read
its stays, unless it writes an earlier format.

    python -m bench.next_version run
"""

from __future__ import annotations

from typing import Any, Final, cast

from streamer.core import stays, stored_formats
from streamer.core.stays import Field

FORMAT: Final = stored_formats.NEWEST + 1
_FIELD: Final = "of_the_next_version"


def become() -> None:
    """Makes this process that version. Nothing of the stored form may be imported before."""
    ours = stored_formats.NEWEST
    changed: Any = stored_formats
    changed.NEWEST, changed.OLDEST_WRITTEN = FORMAT, ours
    layout, changed_stays = stays.layout, cast(Any, stays)
    changed_stays.layout = lambda architecture, variables: {
        **layout(architecture, variables), _FIELD: Field("<f4", (3,), 1.5),
    }  # fmt: skip
    from streamer.core import stored_header  # noqa: PLC0415 - it reads the formats when imported

    tables: Any = stored_header
    tables.SIZES[FORMAT], tables.TEXTS[FORMAT] = tables.SIZES[ours], tables.TEXTS[ours]
    for version in range(stored_formats.OLDEST, FORMAT):
        tables.MISSING[version] |= {_FIELD}


def main() -> None:
    """Runs a command of `streamer`."""
    become()
    from streamer.cli import main as streamer  # noqa: PLC0415 - see above

    streamer()


if __name__ == "__main__":
    main()
