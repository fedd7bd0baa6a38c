"""The README's figures, between two markers; only `make bench` writes there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

README: Final = Path(__file__).parents[1] / "README.md"
BEGIN: Final = "<!-- bench -->\n"
END: Final = "<!-- /bench -->\n"


def write(figures: str, readme: Path = README) -> None:
    """Replaces the text between the markers.

    Raises:
        ValueError: a marker is missing.
    """
    text = readme.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme} has no markers {BEGIN.strip()} and {END.strip()}")
    readme.write_text(f"{before}{begin}{figures.strip()}\n{end}{after}")
