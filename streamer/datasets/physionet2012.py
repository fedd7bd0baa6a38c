"""Reads PhysioNet 2012 (mortality): the first 48 h of each stay, as charted, to the minute.

Silva I et al., Computing in Cardiology 39:245-248 (2012).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from streamer.datasets.cohort import DataError, Progress
from streamer.datasets.files import (
    LEAST_VALUES,
    find_files,
    refuse_copies,
    refuse_twice,
    runs,
    suffix,
)
from streamer.datasets.physionet2012_rows import Records, assemble, concatenate
from streamer.datasets.text_files import has_header, read_text_table

COLUMNS: Final = ("Time", "Parameter", "Value")
HEADER: Final = ",".join(COLUMNS)
FILES_PER_PART: Final = 500  # as for 2019: parsed together for speed, small enough to show progress


def read_2012(paths: Iterable[Path], progress: Progress | None = None) -> Records:
    """Reads every record of these files and folders, in a stable order.

    A folder is searched through for ``.txt`` records (the original layout) and parquet files
    (``RecordID, Time, Parameter, Value``); other texts in it, such as the outcomes table or a
    licence, are passed over.

    Raises:
        DataError: nothing to read, a missing column, a cell that is not a time or a number, or a
            record that is in two files.
    """
    named = list(paths)
    candidates = find_files(named, (".txt", ".parquet"))
    files = [f for f in candidates if suffix(f) != ".txt" or f in named or is_record(f)]
    if not files:
        raise DataError(f"{named[0]}: no file with the header {HEADER} in this folder")
    texts = [file for file in files if suffix(file) == ".txt"]
    refuse_twice((file.stem, file) for file in texts)
    origin = [(file.stem, file) for file in texts]
    parts: list[Records] = []
    for first in range(0, len(texts), FILES_PER_PART):
        parts.append(_read_texts(texts[first : first + FILES_PER_PART]))
        if progress is not None:
            progress(min(first + FILES_PER_PART, len(texts)), len(files))
    for done, file in enumerate(files[len(texts) :], len(texts) + 1):
        parts.append(_read_parquet(file))
        origin += [(patient, file) for patient in parts[-1].patient_ids]
        if progress is not None:
            progress(done, len(files))
    refuse_twice(origin)
    records = concatenate(parts)
    refuse_copies(origin, _contents(records))
    return records


def _contents(records: Records) -> Iterator[bytes | None]:
    """The content of each stay; ``None`` where so little was measured that two may be alike."""
    for start, end in pairwise(records.starts.tolist()):
        cells = slice(start, end)
        charted = records.minute[cells], records.variable[cells], records.value[cells]
        enough = end - start >= LEAST_VALUES
        yield b"".join(array.tobytes() for array in charted) if enough else None


def is_record(file: Path) -> bool:
    """Whether a text file is a record of the original layout, by its first line."""
    return has_header(file, COLUMNS)


def _read_parquet(file: Path) -> Records:
    try:
        missing = {"RecordID", *COLUMNS} - set(pq.read_schema(file).names)
        if missing:
            raise DataError(f"{file}: missing columns {', '.join(sorted(missing))}")
        table: Any = pq.read_table(file, columns=["RecordID", *COLUMNS])
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable parquet file: {error}") from error
    if table.num_rows == 0:
        raise DataError(f"{file}: no rows")
    ids, starts = runs(table["RecordID"], file, "RecordID")
    return assemble(ids, starts, table, lambda row: f"{file}, row {row + 1}")


def _read_texts(files: Sequence[Path]) -> Records:
    bodies = []
    tables = []
    for file in files:
        if not is_record(file):
            raise DataError(f"{file}, line 1: expected the header {HEADER}")
        table = read_text_table(file, COLUMNS, ",")
        if table.header != list(COLUMNS):
            raise DataError(f"{file}, line 1: expected the header {HEADER}")
        tables.append(table)
        bodies.append(table.body)
        if not bodies[-1]:
            raise DataError(f"{file}: no rows")
    starts = np.cumsum([0, *map(len, bodies)])

    def locate(row: int) -> str:
        i = int(np.searchsorted(starts, row, side="right")) - 1
        return f"{files[i]}, line {tables[i].lines[row - int(starts[i])]}"

    for row, line in enumerate(line for body in bodies for line in body):
        if line.count(b",") != 2:
            raise DataError(f"{locate(row)}: expected three cells, {HEADER}")
    cells: Any = pyarrow.csv.read_csv(
        io.BytesIO(b"\n".join(line for body in bodies for line in body)),
        read_options=pyarrow.csv.ReadOptions(column_names=list(COLUMNS)),
        parse_options=pyarrow.csv.ParseOptions(quote_char=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=False
        ),
    )
    return assemble([file.stem for file in files], starts, cells, locate)
