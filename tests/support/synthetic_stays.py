"""Synthetic stays: files in the two PhysioNet layouts, and random labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streamer.datasets.physionet2019_rows import CONTEXT_COLUMNS, LABEL_COLUMN, VALUE_COLUMNS

COLUMNS = (*VALUE_COLUMNS, *CONTEXT_COLUMNS, LABEL_COLUMN)

Row = dict[str, float | None]


def stay(
    hours: int,
    first_positive: int | None = None,
    first_hour: int = 1,
    context: Row | None = None,
    values: dict[int, Row] | None = None,
) -> list[Row]:
    """Rows of one stay; ``values`` by row index, ``context`` in every row."""
    rows: list[Row] = []
    for i in range(hours):
        row: Row = dict.fromkeys(COLUMNS)
        row.update({"Age": 64.5, "Gender": 1, "HospAdmTime": -3.25}, **(context or {}))
        row.update((values or {}).get(i, {}))
        row["ICULOS"] = first_hour + i
        row[LABEL_COLUMN] = int(first_positive is not None and i >= first_positive)
        rows.append(row)
    return rows


def write_psv(file: Path, rows: list[Row], columns: tuple[str, ...] = COLUMNS) -> Path:
    """Writes one patient in the original layout."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = ["|".join(columns)]
    lines += ["|".join("NaN" if r[c] is None else str(r[c]) for c in columns) for r in rows]
    file.write_text("\n".join(lines) + "\n")
    return file


def write_parquet(
    file: Path, stays: dict[str, list[Row]], columns: tuple[str, ...] = COLUMNS
) -> Path:
    """Writes patients one after the other in one file."""
    rows = [{"patient": name, **row} for name, stay_rows in stays.items() for row in stay_rows]
    table = {c: [row[c] for row in rows] for c in ("patient", *columns)}
    types = {c: pa.string() if c == "patient" else pa.float64() for c in table}
    pq.write_table(pa.table({c: pa.array(v, types[c]) for c, v in table.items()}), file)
    return file


def random_labels(
    seed: int, n_stays: int = 300, share_septic: float = 0.3
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Labels and offsets of stays of 1 to 60 rows, some septic, some of those from row 0 on."""
    draws = np.random.default_rng(seed)
    lengths = draws.integers(1, 60, n_stays)
    label = []
    for length in lengths.tolist():
        row = np.zeros(length, np.int8)
        if draws.random() < share_septic:
            row[int(draws.integers(0, length)) if draws.random() < 0.85 else 0 :] = 1
        label.append(row)
    return np.concatenate(label), np.concatenate([[0], np.cumsum(lengths)])
