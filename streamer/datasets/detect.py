"""Detects whether files are of PhysioNet 2012 or 2019, and reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streamer.datasets.cohort import Cohort, DataError, Progress
from streamer.datasets.files import find_files, suffix
from streamer.datasets.physionet2012 import is_record, read_2012
from streamer.datasets.physionet2012_rows import Records
from streamer.datasets.physionet2019 import TEXT_SUFFIXES, read_2019


def read_recordings(paths: Sequence[Path], progress: Progress | None = None) -> Cohort | Records:
    """Reads PhysioNet 2019 or 2012 files, whichever they are; 2019 labels may be absent.

    Raises:
        DataError: as the two readers, or the files are of both kinds.
    """
    files = find_files(paths, (".psv", ".parquet", ".txt"), named=TEXT_SUFFIXES)
    kinds = {_is_2012(f) for f in files if suffix(f) != ".txt" or f in paths or is_record(f)}
    if len(kinds) > 1:
        raise DataError("PhysioNet 2019 and 2012 files are mixed; give one kind at a time")
    if kinds == {True}:
        return read_2012(paths, progress)
    return read_2019(paths, need_label=False, progress=progress)


def _is_2012(file: Path) -> bool:
    if suffix(file) != ".parquet":
        return suffix(file) == ".txt"
    try:
        return "Parameter" in pq.read_schema(file).names
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable parquet file: {error}") from error
