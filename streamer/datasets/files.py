"""Finds the files of a data set, and checks ids and numbers in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streamer.datasets.cohort import DataError


def runs(column: Any, file: Path, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """Finds the stays in a column of ids: N ids, each once, and the (N + 1,) row offsets.

    Raises:
        DataError: an id is missing, or comes back after another one.
    """
    if column.null_count:
        row = int(np.asarray(column.is_null()).argmax())
        raise DataError(f"{file}, row {row + 1}: no {name}")
    encoded: Any = column.cast(pa.string()).combine_chunks().dictionary_encode()
    code = encoded.indices.to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(code)) + 1, [len(code)]])
    names = encoded.dictionary.to_pylist()
    ids = [names[i] for i in code[starts[:-1]]]
    if len(ids) > len(names):
        repeat = next(i for i, patient in enumerate(ids) if patient in ids[:i])
        raise DataError(
            f"{file}, row {starts[repeat] + 1}: {name} {ids[repeat]} comes a second time; "
            "sort the file so that the rows of a patient stand together"
        )
    return ids, starts


def find_files(paths: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    """The files with these suffixes in these files and folders, each once.

    They come in the order of ``suffixes``, then of ``paths``, then by name.

    Raises:
        DataError: a path is missing, has another suffix, or is a folder without such a file.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in suffixes and p.is_file())
            if not inside:
                raise DataError(f"{path}: no {' or '.join(suffixes)} file in this folder")
            files.update(dict.fromkeys(inside))
        elif not path.exists():
            raise DataError(f"{path}: no such file or folder")
        elif path.suffix not in suffixes:
            raise DataError(f"{path}: expected a {' or '.join(suffixes)} file or a folder of them")
        else:
            files[path] = None
    if not files:
        raise DataError("no data given: name a file or a folder")
    return sorted(files, key=lambda file: suffixes.index(file.suffix))


def refuse_twice(origin: Iterable[tuple[str, Path]]) -> None:
    """Raises ``DataError`` when a patient comes from two places."""
    seen: dict[str, Path] = {}
    for patient, file in origin:
        if patient in seen:
            raise DataError(
                f"patient {patient} is given twice: {seen[patient]} and {file}; leave one out"
            )
        seen[patient] = file


def numbers(column: Any, name: str, locate: Callable[[int], str]) -> NDArray[np.float64]:
    """A column as floats, NaN where it is empty.

    Args:
        column: an Arrow column of numbers or of text.
        name: of the column, for the message.
        locate: names file and line of a row, for the message.

    Raises:
        DataError: a cell is not a number.
    """
    try:
        cast: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        for row, cell in enumerate(column.to_pylist()):
            try:
                float("nan" if cell is None else cell)
            except (TypeError, ValueError):
                raise DataError(f"{locate(row)}: {name} is {cell!r}, not a number") from None
        raise DataError(f"{locate(0)}: {name}: {error}") from error
    return cast
