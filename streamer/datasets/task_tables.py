"""Tables of a task as they lie on disk: one file, several, or a folder of named tables (YAIB).

CSV (any of the usual separators) and parquet. A folder may hold the table of values beside those
of particulars and outcomes, which the task names; any other table in it has values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streamer.datasets.cohort import DataError
from streamer.datasets.files import find_files, numbers, suffix
from streamer.datasets.task import Task

_SEPARATORS: Final = ",;|\t"
_NULLS: Final = ["", "NaN", "nan", "NA", "NULL", "null", "None"]
_MS_PER_HOUR: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of texts.

    Attributes:
        texts: each once, in the order in which they come.
        codes: ``(R,)`` the number of each row's text; -1 where the cell is empty.
    """

    texts: list[str]
    codes: NDArray[np.int64]

    def are(self, text: str) -> NDArray[np.bool_]:
        """``(R,)`` whether a row has this text."""
        code = self.texts.index(text) if text in self.texts else len(self.texts)
        rows: NDArray[np.bool_] = self.codes == code
        return rows


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and the file it is of."""

    file: Path
    table: Any

    def column(self, name: str) -> Any:
        """A column.

        Raises:
            DataError: there is none of this name.
        """
        if name not in self.table.column_names:
            raise DataError(
                f"{self.file}: no column {name!r}, which the task names; the file has "
                f"{', '.join(self.table.column_names)}"
            )
        return self.table[name]

    def coded(self, name: str) -> Coded:
        """A column as texts."""
        cells = pc.utf8_trim_whitespace(self.column(name).cast(pa.string()))
        texts = [text for text in pc.unique(cells).to_pylist() if text]
        codes = pc.index_in(cells, value_set=pa.array(texts, pa.string()))
        return Coded(texts, pc.fill_null(codes, -1).to_numpy().astype(np.int64))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as floats, NaN where it is empty; true is 1."""
        column = self.column(name)
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        return numbers(column, name, lambda row: f"{self.file}, row {row + 1}")

    def patients(self, name: str) -> Coded:
        """A column of ids.

        Raises:
            DataError: one is missing.
        """
        ids = self.coded(name)
        without = np.flatnonzero(ids.codes < 0)
        if len(without):
            raise DataError(f"{self.file}, row {without[0] + 1}: no {name}")
        return ids

    def hours(self, name: str) -> NDArray[np.float64]:
        """A column of hours: numbers, durations, or `hh:mm`; NaN where it is empty.

        Raises:
            DataError: a cell is none of them.
        """
        column = self.column(name)
        if pa.types.is_duration(column.type):
            ms = pc.cast(column, pa.duration("ms")).cast(pa.int64())
            hours: NDArray[np.float64] = ms.to_numpy() / _MS_PER_HOUR
            return hours
        if not pa.types.is_string(getattr(column.type, "value_type", column.type)):
            return self.numbers(name)
        clock = self.coded(name)
        if not any(":" in text for text in clock.texts):
            return self.numbers(name)
        try:
            return np.array([*map(_clock, clock.texts), np.nan])[clock.codes]
        except ValueError as error:
            raise DataError(f"{self.file}: {name}: {error}, expected hh:mm") from error


@dataclass(frozen=True, slots=True)
class TaskTables:
    """The tables of a task: of values, of particulars and of the outcome."""

    values: list[Table]
    static: Table | None
    outcome: Table | None


def read_tables(paths: Sequence[Path], task: Task) -> TaskTables:
    """Reads the files of a task.

    Raises:
        DataError: nothing to read, a file is unreadable, or a table that the task names is missing.
    """
    named = {name for name in (task.columns.static_file, task.label.file) if name}
    # A table that is named may be of any suffix (Outcomes-a.txt).
    also = tuple({Path(name).suffix.lower() for name in named} - {".csv", ".parquet"})
    files = find_files(paths, (".parquet", ".csv", ".tsv", ".psv", *also))
    by_name = {file.name: file for file in files if file.name in named}
    missing = sorted(named - set(by_name))
    if missing:
        raise DataError(
            f"{paths[0]}: no {' and no '.join(missing)}, which the task names; give the folder "
            "that holds it, or name the file as well (--data twice)"
        )
    values = [_read(file) for file in files if file.name not in named]
    if not values:
        raise DataError(f"{paths[0]}: no table of values beside {', '.join(sorted(named))}")

    def table(name: str | None) -> Table | None:
        return None if name is None else _read(by_name[name])

    return TaskTables(values, table(task.columns.static_file), table(task.label.file))


def _read(file: Path) -> Table:
    try:
        if suffix(file) == ".parquet":
            return Table(file, pq.read_table(file))
        with file.open() as lines:
            header = lines.readline()
        separator = max(_SEPARATORS, key=header.count)
        content: Any = pyarrow.csv.read_csv(
            file,
            parse_options=pyarrow.csv.ParseOptions(delimiter=separator),
            convert_options=pyarrow.csv.ConvertOptions(
                null_values=_NULLS, strings_can_be_null=True
            ),
        )
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable table: {error}") from error
    return Table(file, content)


def _clock(text: str) -> float:
    hours, minutes = text.split(":")[:2]
    return int(hours) + int(minutes) / 60
