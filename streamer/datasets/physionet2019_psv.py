"""Reads the original layout of PhysioNet 2019: one pipe-separated file per patient."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from streamer.datasets.cohort import Cohort, DataError
from streamer.datasets.physionet2019_rows import (
    CONTEXT_COLUMNS,
    LABEL_COLUMN,
    VALUE_COLUMNS,
    assemble,
    check_columns,
)

NULLS: Final = ["NaN", "nan", "NA", ""]
# Parsing many small files at once is forty times faster than one by one; 500 of them (3 MB) keep
# the progress moving.
FILES_PER_PART: Final = 500


def read_psv(files: Sequence[Path], *, need_label: bool) -> Iterator[Cohort]:
    """Reads these files in order, some hundreds to a cohort; the patient id is the file's stem.

    Raises:
        DataError: a file is unreadable, lacks a column, or has a cell that is not a number.
    """
    for first in range(0, len(files), FILES_PER_PART):
        tables = [_split(file) for file in files[first : first + FILES_PER_PART]]
        for header, group in groupby(tables, key=lambda table: table.header):
            yield _read_alike(header, list(group), need_label)


class _Table:
    """A file's bytes without the header; ``lines`` has the 1-based line number of each row."""

    __slots__ = ("body", "file", "header", "lines")

    def __init__(self, file: Path, header: list[str], body: list[bytes], lines: list[int]) -> None:
        self.file = file
        self.header = header
        self.body = body
        self.lines = lines


def _split(file: Path) -> _Table:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    rows = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    if len(rows) < 2:
        raise DataError(f"{file}: no rows; expected a header line and one line for each ICU hour")
    # Spreadsheets write a byte order mark in front of UTF-8.
    header = rows[0][1].decode("utf-8-sig", errors="replace").strip().split("|")
    return _Table(file, header, [line for _, line in rows[1:]], [number for number, _ in rows[1:]])


def _read_alike(header: list[str], tables: list[_Table], need_label: bool) -> Cohort:
    check_columns(header, [LABEL_COLUMN] if need_label else [], str(tables[0].file))
    wanted = [name for name in (*VALUE_COLUMNS, *CONTEXT_COLUMNS, LABEL_COLUMN) if name in header]
    body = b"\n".join(line for table in tables for line in table.body)
    try:
        parsed: Any = pyarrow.csv.read_csv(
            io.BytesIO(body),
            read_options=pyarrow.csv.ReadOptions(column_names=header),
            parse_options=pyarrow.csv.ParseOptions(delimiter="|", quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.float64()),
                null_values=NULLS,
                include_columns=wanted,
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(_locate(header, wanted, tables) or str(error)) from error
    columns: dict[str, NDArray[np.float64]] = {name: parsed[name].to_numpy() for name in wanted}
    starts = np.cumsum([0, *(len(table.body) for table in tables)])

    def locate(row: int) -> str:
        i = int(np.searchsorted(starts, row, side="right")) - 1
        return f"{tables[i].file}, line {tables[i].lines[row - int(starts[i])]}"

    return assemble([table.file.stem for table in tables], starts, columns, locate)


def _locate(header: list[str], wanted: list[str], tables: list[_Table]) -> str | None:
    for table in tables:
        for number, line in zip(table.lines, table.body, strict=True):
            cells = line.decode(errors="replace").strip().split("|")
            location = f"{table.file}, line {number}"
            if len(cells) != len(header):
                return f"{location}: {len(cells)} cells where the header has {len(header)}"
            for name, cell in zip(header, cells, strict=True):
                if name in wanted and cell not in NULLS and not _is_number(cell):
                    return f"{location}: {name} is {cell[:40]!r}, not a number (missing is NaN)"
    return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
