"""Columns of Arrow tables as lists and arrays; times as epoch milliseconds."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streamer.core.time import PLAUSIBLE_MS
from trainer.archive.schemas import TIME

US: Final = 1000
"""Microseconds of a millisecond: Delta's times are in the former, ours in the latter."""


def listed(rows: pa.Table, name: str) -> list[Any]:
    """A column as Python objects."""
    return rows.column(name).to_pylist()


def array(rows: pa.Table, name: str) -> NDArray[Any]:
    """A column as an array; floats are NaN where null."""
    column: Any = rows.column(name)
    values: NDArray[Any] = column.to_numpy()
    return values


def times_ms(rows: pa.Table, name: str) -> NDArray[np.int64]:
    """A column of times; 0 where null."""
    column: Any = rows.column(name)
    us: NDArray[np.int64] = column.cast(pa.int64()).fill_null(0).to_numpy()
    ms: NDArray[np.int64] = us // US
    return ms


def as_times(ms: NDArray[np.int64], is_none: NDArray[np.bool_] | None = None) -> Any:
    """Times as a column."""
    numbers: Any = pa.array(ms * US, pa.int64(), mask=is_none)
    return numbers.cast(TIME)


def is_logged_time(timestamp_ms: Any) -> Any:
    """Which timestamps of records are times; others would set the archive's clock for ever.

    A sender of microseconds is refused by the streamer for the same reason.
    """
    return timestamp_ms <= PLAUSIBLE_MS


def where(rows: pa.Table, chosen: NDArray[np.bool_]) -> pa.Table:
    """The rows of a mask ``(n,)``."""
    return rows.filter(pa.array(chosen, pa.bool_()))


def in_order(rows: pa.Table, *names: str) -> pa.Table:
    """The rows sorted by columns, ascending."""
    return rows.sort_by([(name, "ascending") for name in names])


def is_null(rows: pa.Table, name: str) -> NDArray[np.bool_]:
    """Where a column has nothing."""
    column: Any = rows.column(name)
    nulls: NDArray[np.bool_] = column.is_null().to_numpy()
    return nulls
