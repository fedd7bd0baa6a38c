"""Reads text files of PhysioNet 2019: one for each patient, or one with a column of patients."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from streamer.datasets.cohort import Cohort, DataError
from streamer.datasets.files import runs
from streamer.datasets.physionet2019_rows import (
    CONTEXT_COLUMNS,
    LABEL_COLUMN,
    NAME_COLUMNS,
    PATIENT_COLUMNS,
    VALUE_COLUMNS,
    assemble,
    check_columns,
    patient_column,
    patient_names,
)
from streamer.datasets.text_files import TextTable, read_text_table

_COLUMNS: Final = (
    *VALUE_COLUMNS,
    *CONTEXT_COLUMNS,
    LABEL_COLUMN,
    *PATIENT_COLUMNS,
    *NAME_COLUMNS,
)
_SEPARATOR: Final = "|"
NULLS: Final = ["NaN", "nan", "NA", ""]
# Parsing many small files at once is forty times faster than one by one; 500 of them (3 MB) keep
# the progress moving.
FILES_PER_PART: Final = 500


def read_psv(files: Sequence[Path], *, need_label: bool) -> Iterator[tuple[Cohort, list[Path]]]:
    """Reads these files in order, some hundreds to a cohort.

    The patient id is the file's stem, unless the file has a column of patients.

    Yields:
        A cohort, and for each of its stays the file.

    Raises:
        DataError: a file is unreadable, lacks a column, or has a cell that is not a number.
    """
    for first in range(0, len(files), FILES_PER_PART):
        tables = [
            _with_rows(read_text_table(file, _COLUMNS, _SEPARATOR))
            for file in files[first : first + FILES_PER_PART]
        ]
        for header, group in groupby(tables, key=lambda table: table.header):
            alike = list(group)
            if patient_column(header):
                for table in alike:
                    yield _read_alike(header, [table], need_label)
            else:
                yield _read_alike(header, alike, need_label)


def _with_rows(table: TextTable) -> TextTable:
    if not table.body:
        raise DataError(
            f"{table.file}: no rows; expected a header line and one line for each ICU hour"
        )
    return table


def _read_alike(
    header: list[str], tables: list[TextTable], need_label: bool
) -> tuple[Cohort, list[Path]]:
    check_columns(header, [LABEL_COLUMN] if need_label else [], str(tables[0].file))
    wanted = [name for name in (*VALUE_COLUMNS, *CONTEXT_COLUMNS, LABEL_COLUMN) if name in header]
    patient = patient_column(header)
    texts = [*([patient] if patient else []), *(name for name in NAME_COLUMNS if name in header)]
    body = b"\n".join(line for table in tables for line in table.body)
    try:
        parsed: Any = pyarrow.csv.read_csv(
            io.BytesIO(body),
            read_options=pyarrow.csv.ReadOptions(column_names=header),
            parse_options=pyarrow.csv.ParseOptions(delimiter=_SEPARATOR, quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.float64())
                | dict.fromkeys(texts, pa.string()),
                null_values=NULLS,
                strings_can_be_null=True,
                include_columns=[*wanted, *texts],
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(_locate(header, wanted, tables) or str(error)) from error
    columns: dict[str, NDArray[np.float64]] = {name: parsed[name].to_numpy() for name in wanted}
    locate = _locator(tables)
    names = {name: parsed[name].to_pylist() for name in texts if name in NAME_COLUMNS}
    if patient is None:
        ids = [table.file.stem for table in tables]
        starts = np.cumsum([0, *(len(table.body) for table in tables)])
        return assemble(ids, starts, columns, locate, names), [table.file for table in tables]
    (table,) = tables
    ids, starts = runs(parsed[patient], table.file, patient)
    ids = patient_names(ids, header)
    return assemble(ids, starts, columns, locate, names), [table.file] * len(ids)


def _locator(tables: list[TextTable]) -> Callable[[int], str]:
    starts = np.cumsum([0, *(len(table.body) for table in tables)])

    def locate(row: int) -> str:
        i = int(np.searchsorted(starts, row, side="right")) - 1
        return f"{tables[i].file}, line {tables[i].lines[row - int(starts[i])]}"

    return locate


def _locate(header: list[str], wanted: list[str], tables: list[TextTable]) -> str | None:
    for table in tables:
        for number, line in zip(table.lines, table.body, strict=True):
            cells = line.decode(errors="replace").strip().split(_SEPARATOR)
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
