"""The files of an example: a figure, and a reading of it in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

READING: Final = "reading.md"
DPI: Final = 100  # 1,100 pixels across: sharp on a page, and below 100 kB


@dataclass(frozen=True, slots=True)
class Table:
    """Figures for the reading.

    Attributes:
        head: names of the columns.
        rows: cells as they are printed.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        """Markdown, padded so that it can be read on a terminal as well."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        padded = [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
            for line in lines
        ]
        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        return "\n".join([padded[0], rule, *padded[1:]])


@dataclass(frozen=True, slots=True)
class Handout:
    """The files that were written.

    Attributes:
        figure: the PNG.
        reading: the Markdown text, as it is in ``reading.md`` beside the figure.
    """

    figure: Path
    reading: str


def write_handout(
    out: Path, name: str, title: str, figure: Figure, table: Table, sentences: Sequence[str]
) -> Handout:
    """Writes ``NAME.png`` and ``reading.md``.

    Args:
        out: the folder; made where it is missing.
        name: of the example.
        title: of the reading.
        figure: drawn.
        table: the measured figures.
        sentences: the reading, one paragraph each.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{name}.png"
    figure.savefig(file, dpi=DPI)
    parts = [f"# {title}", f"![{title}]({file.name})", str(table), *sentences]
    text = "\n\n".join(parts) + "\n"
    (out / READING).write_text(text, "utf-8")
    return Handout(file, text)
