"""CSV files whose columns are known by name."""

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
        file: begins with a line of names.
        columns: names that must be there.
        kind: of the file, for messages.
        expected: the file that should be given, for messages.

    Returns:
        a ``pyarrow.Table``.

    Raises:
        DataError: the file cannot be read, or columns are missing.
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
