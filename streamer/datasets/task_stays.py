"""Reads the stays of a task: rows of any times folded into hours, with the labels of the outcome.

The last value of an hour counts, as in the stream. A stay has a row for each hour from its first
measurement to its last one; hours in between without a row are empty.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import Variable, to_canonical
from streamer.datasets.cohort import NO_LABEL, Cohort, DataError, concatenate
from streamer.datasets.files import refuse_twice
from streamer.datasets.physionet2019_rows import LONGEST_STAY_HOURS
from streamer.datasets.task import FIRST_HORIZON_HOURS, ColumnsPart, Task
from streamer.datasets.task_tables import Table, TaskTables, read_tables

_log = logging.getLogger(__name__)
_UNKNOWN: Final = "unknown"
_TINY: Final = 1e-9  # hours: of a decimal that is a hair below its whole hour
Floats = NDArray[np.float64]


def read_task_stays(paths: Sequence[Path], task: Task, *, need_label: bool = True) -> Cohort:
    """Reads every stay of these files and folders by a task.

    Args:
        paths: CSV and parquet files, or folders of them.
        task: names the columns.
        need_label: whether a missing label is an error; otherwise it becomes -1.

    Raises:
        DataError: as ``read_tables``; a column or an outcome is missing, a cell is not a number, or
            a patient is in two files.
    """
    tables = read_tables(paths, task)
    cohorts = [_stays(table, tables, task, need_label) for table in tables.values]
    refuse_twice(
        (patient, table.file)
        for table, cohort in zip(tables.values, cohorts, strict=True)
        for patient in cohort.patient_ids
    )
    return concatenate(cohorts)


def _stays(table: Table, tables: TaskTables, task: Task, need_label: bool) -> Cohort:
    patients = table.patients(task.columns.patient)
    ids, stay = patients.texts, patients.codes
    times = table.hours(task.columns.hour)
    hours = np.floor(times - task.columns.first_hour + _TINY)
    inside = (hours >= 0) & (hours < LONGEST_STAY_HOURS)
    if not inside.all():
        _log.warning(
            "%s: %d of %d rows are before ICU admission, beyond a year, or of no hour, and are "
            "passed over", table.file, int((~inside).sum()), len(inside),
        )  # fmt: skip
    rows = np.flatnonzero(inside)
    if not len(rows):
        raise DataError(f"{table.file}: no row lies in the hours of a stay; look at columns.hour")
    order = np.lexsort((times[rows], stay[rows]))  # stable in time
    rows = rows[order]
    stay, hour = stay[rows], hours[rows].astype(np.int64)
    kept = np.unique(stay)
    ids = [ids[i] for i in kept]
    stay = np.searchsorted(kept, stay)

    first = np.full(len(ids), np.iinfo(np.int64).max)
    last = np.zeros(len(ids), np.int64)
    np.minimum.at(first, stay, hour)
    np.maximum.at(last, stay, hour)
    starts = np.concatenate([[0], np.cumsum(last - first + 1)])
    at = starts[:-1][stay] + hour - first[stay]
    values = _values(table, task, rows, at, int(starts[-1]))
    iculos = np.arange(starts[-1]) - np.repeat(starts[:-1] - first, last - first + 1) + 1

    def of_stay(name: str | None) -> list[str | None]:
        if name is None:
            return [None] * len(ids)
        cells = _particulars(tables.static or table, task.columns, name)
        return [cells.get(patient) for patient in ids]

    def texts(name: str | None) -> NDArray[np.str_] | None:
        return None if name is None else np.array([cell or "" for cell in of_stay(name)], np.str_)

    columns = task.columns
    return Cohort(
        ids,
        starts.astype(np.int64),
        values,
        iculos.astype(np.int32),
        _labels(tables.outcome or table, task, _Grid(ids, starts, first), need_label),
        _years(of_stay(columns.age), table.file, "age"),
        _words(of_stay(columns.sex), {"female": columns.female, "male": columns.male}),
        _words(
            of_stay(columns.icu_type),
            {"medical": columns.medical, "surgical": columns.surgical},
        ),
        np.maximum(
            _years(
                of_stay(columns.hours_since_hospital_admission),
                table.file,
                "hours_since_hospital_admission",
            ),
            0,
        ),
        texts(columns.site),
        texts(columns.person),
        texts(columns.date),
        task,
    )


def _particulars(source: Table, columns: ColumnsPart, name: str) -> dict[str, str]:
    """The first cell of a column of each patient who has one; of a long table, of a parameter."""
    patients = source.patients(columns.patient)
    if columns.parameter in source.table.column_names and columns.parameter and columns.value:
        cells = source.coded(columns.value)
        rows = np.flatnonzero(source.coded(columns.parameter).are(name) & (cells.codes >= 0))
    else:
        cells = source.coded(name)
        rows = np.flatnonzero(cells.codes >= 0)
    stays, first = np.unique(patients.codes[rows], return_index=True)
    texts = cells.codes[rows[first]]
    return {patients.texts[i]: cells.texts[j] for i, j in zip(stays, texts, strict=True)}


def _values(
    table: Table, task: Task, rows: NDArray[np.intp], at: NDArray[np.int64], n_rows: int
) -> NDArray[np.float32]:
    """``(n_rows, V)`` hour rows: the last value of each hour, in canonical units."""
    variables = task.table
    values = np.full((n_rows, len(variables)), np.nan, np.float32)
    parameter = None
    if task.columns.parameter is not None and task.columns.value is not None:
        parameter = table.coded(task.columns.parameter)
        charted = table.numbers(task.columns.value)[rows]
    columns = [(name, part.unit, c) for name, part in task.variables.items() for c in part.names]
    for name, unit, column in columns:
        cells = table.numbers(column)[rows] if parameter is None else charted
        measured = np.isfinite(cells)
        if parameter is not None:
            measured &= parameter.are(column)[rows]
        index = variables.index[name]
        convert = _conversion(variables.all[index], unit)
        with np.errstate(over="ignore"):  # beyond float32 is infinite, which cleaning drops
            # Ordered by time, and where two hit one hour, numpy keeps the last.
            values[at[measured], index] = convert(cells[measured])
    return values


def _conversion(variable: Variable, unit: str | None) -> Callable[[Floats], Floats]:
    if unit is None:
        return lambda cells: cells
    zero, one = (to_canonical(variable, x, unit) for x in (0.0, 1.0))
    assert zero is not None and one is not None
    return lambda cells: cells * (one - zero) + zero


@dataclass(frozen=True, slots=True)
class _Grid:
    """The hours of N stays: ids, row offsets ``(N + 1,)`` and the first hour ``(N,)`` of each."""

    ids: list[str]
    starts: NDArray[np.int64]
    first: NDArray[np.int64]


def _labels(source: Table, task: Task, grid: _Grid, need_label: bool) -> NDArray[np.int8]:
    """(R,) 1 from six hours before the event to the end; always, of the outcome of a stay."""
    part, ids, starts = task.label, grid.ids, grid.starts
    if not need_label and part.column not in source.table.column_names:
        return np.full(int(starts[-1]), NO_LABEL, np.int8)
    cells = source.numbers(part.column)
    wrong = np.flatnonzero(~np.isin(cells, (0, 1)) & ~np.isnan(cells))
    if part.of != "event_hour" and len(wrong):
        raise DataError(
            f"{source.file}, row {wrong[0] + 1}: {part.column} is {cells[wrong[0]]:g}, not 0 or 1"
        )
    patients = source.patients(part.patient or task.columns.patient)
    index = {patient: i for i, patient in enumerate(ids)}
    stay = np.array([index.get(patient, -1) for patient in patients.texts])[patients.codes]
    without = sorted(set(range(len(ids))) - set(stay[stay >= 0].tolist()))
    if without:
        raise DataError(
            f"{source.file}: no outcome of {len(without)} of {len(ids)} stays, such as "
            f"{ids[without[0]]}"
        )
    counted_from = task.columns.first_hour
    match part.of:
        case "event_hour":
            at, lead = cells - counted_from, 0
        case "stay":  # from the first hour on
            at, lead = np.where(cells == 1, -np.inf, np.nan), 0
        case "hour":
            hour = np.floor(source.hours(part.hour or task.columns.hour) - counted_from + _TINY)
            at, lead = np.where(cells == 1, hour, np.nan), part.lead_hours
    event = _first_of(stay, at, len(ids)) + lead
    lengths = np.diff(starts)
    hours = np.arange(starts[-1]) - np.repeat(starts[:-1] - grid.first, lengths)
    label: NDArray[np.int8] = (hours >= np.repeat(event, lengths) - FIRST_HORIZON_HOURS).astype(
        np.int8
    )
    return label


def _first_of(stay: NDArray[np.intp], hours: Floats, n_stays: int) -> Floats:
    """(N,) the least hour of each stay, infinite where there is none."""
    least = np.full(n_stays, np.inf)
    there = (stay >= 0) & ~np.isnan(hours)
    np.minimum.at(least, stay[there], hours[there])
    return least


def _years(cells: list[str | None], file: Path, name: str) -> NDArray[np.float32]:
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells], np.float32)
    except ValueError as error:
        raise DataError(f"{file}: {name}: {error}") from error


def _words(cells: list[str | None], words: dict[str, tuple[str, ...]]) -> NDArray[np.str_]:
    by_word = {word: name for name, many in words.items() for word in many}
    # A column of 0 and 1 with gaps is read as floats.
    by_word |= {f"{word}.0": name for word, name in by_word.items() if word.isdigit()}
    return np.array([by_word.get(cell or "", _UNKNOWN) for cell in cells], np.str_)
