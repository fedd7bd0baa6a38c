"""Reads PhysioNet 2019 (early prediction of sepsis): folders of ``.psv`` and parquet files.

Reyna MA et al., Crit Care Med 48(2):210-217 (2020); data doi 10.13026/v64v-d857.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamer.datasets.cohort import Cohort, DataError, Progress, concatenate
from streamer.datasets.files import (
    LEAST_VALUES,
    find_files,
    numbers,
    refuse_copies,
    refuse_twice,
    runs,
    suffix,
)
from streamer.datasets.physionet2019_psv import read_psv
from streamer.datasets.physionet2019_rows import (
    CONTEXT_COLUMNS,
    LABEL_COLUMN,
    NAME_COLUMNS,
    VALUE_COLUMNS,
    assemble,
    check_columns,
    patient_column,
    patient_names,
)

TEXT_SUFFIXES: Final = (".csv", ".tsv")
"""Read where such a file is named; a folder may hold others that are no stays."""


def read_2019(
    paths: Iterable[Path], *, need_label: bool = True, progress: Progress | None = None
) -> Cohort:
    """Reads every stay of these files and folders, in a stable order.

    A folder is searched through for ``.psv`` files (the original layout, one file per patient) and
    ``.parquet`` files (a ``patient`` column in front of the same columns). A ``.csv`` file is read
    where it is named; a text file with a ``patient`` column has many stays. The combined file of
    the challenge is one (``Hour``, ``Patient_ID``). Columns ``site`` and ``person`` may be there.

    Args:
        paths: files or folders.
        need_label: whether a missing ``SepsisLabel`` is an error; otherwise it becomes -1.
        progress: called with (files done, files in all).

    Raises:
        DataError: nothing to read, a missing column, a cell that is not a number, a patient who is
            in two files or has two names, or hours that do not follow each other.
    """
    files = find_files(paths, (".psv", ".parquet"), named=TEXT_SUFFIXES)
    psv = [file for file in files if suffix(file) != ".parquet"]
    cohorts: list[Cohort] = []
    origin: list[tuple[str, Path]] = []
    done = 0
    for part, sources in read_psv(psv, need_label=need_label):
        cohorts.append(part)
        origin += zip(part.patient_ids, sources, strict=True)
        done += len(set(sources))
        if progress is not None:
            progress(done, len(files))
    for file in files[len(psv) :]:
        cohorts.append(read_parquet(file, need_label=need_label))
        origin += [(patient, file) for patient in cohorts[-1].patient_ids]
        done += 1
        if progress is not None:
            progress(done, len(files))
    refuse_twice(origin)
    cohort = concatenate(cohorts)
    refuse_copies(origin, _contents(cohort))
    return cohort


def _contents(cohort: Cohort) -> Iterator[bytes | None]:
    """The content of each stay; ``None`` where so little was measured that two may be alike."""
    for stay in range(len(cohort)):
        values = cohort.values[cohort.rows(stay)]
        enough = np.count_nonzero(~np.isnan(values)) >= LEAST_VALUES
        yield values.tobytes() if enough else None


def read_parquet(file: Path, *, need_label: bool = True) -> Cohort:
    """Reads one parquet file: a ``patient`` column, each patient's rows together.

    Raises:
        DataError: as ``read_2019``.
    """
    wanted = [*VALUE_COLUMNS, *CONTEXT_COLUMNS]
    try:
        present = pq.read_schema(file).names
        patient = patient_column(present)
        if patient is None:
            raise DataError(
                f"{file}: no column of patients; name it patient, patient_id or Patient_ID"
            )
        check_columns(present, [LABEL_COLUMN] if need_label else [], str(file))
        wanted += [LABEL_COLUMN] if LABEL_COLUMN in present else []
        named: list[str] = [name for name in NAME_COLUMNS if name in present]
        table: Any = pq.read_table(file, columns=[patient, *wanted, *named])
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable parquet file: {error}") from error
    if table.num_rows == 0:
        raise DataError(f"{file}: no rows")
    patient_ids, starts = runs(table[patient], file, patient)

    def locate(row: int) -> str:
        return f"{file}, row {row + 1}"

    columns = {name: numbers(table[name], name, locate) for name in wanted}
    names = {name: table[name].cast(pa.string()).to_pylist() for name in named}
    return assemble(patient_names(patient_ids, present), starts, columns, locate, names)
