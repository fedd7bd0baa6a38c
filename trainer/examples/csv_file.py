"""Reads a CSV file whose columns are known by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from streamer.datasets.cohort import DataError


def read_columns(file: Path, columns: Sequence[str], kind: str, expected: str) -> Any:
    """Reads a table with these columns among others; their cells stay text, and none is null.

    Args:
        file: with a line of names.
        columns: that must be there.
        kind: of file, for messages.
        expected: which file it should have been, for messages.

    Returns:
        a ``pyarrow.Table``.

    Raises:
        DataError: not such a file, or columns that are missing.
    """
    try:
        table: Any = pyarrow.csv.read_csv(
            file,
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable {kind}: {error}") from error
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise DataError(f"{file}: missing columns {', '.join(missing)}; expected {expected}")
    return table
