"""Finds the files of a data set, and checks ids and numbers in them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streamer.datasets.cohort import DataError

LEAST_VALUES: Final = 50
"""Stays with fewer measurements may be alike by chance."""
_log = logging.getLogger(__name__)


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


def suffix(file: Path) -> str:
    """The suffix of a file, in small letters."""
    return file.suffix.lower()


def find_files(
    paths: Iterable[Path], suffixes: tuple[str, ...], named: tuple[str, ...] = ()
) -> list[Path]:
    """The files with these suffixes in these files and folders, each once.

    They come in the order of the suffixes, then of ``paths``, then by name. Hidden files in a
    folder are passed over: macOS puts a `._NAME` beside each file that it copies.

    Args:
        paths: files and folders.
        suffixes: in small letters; capitals are found, too.
        named: further suffixes of files that are named and not only in a folder.

    Raises:
        DataError: a path is missing, has another suffix, or is a folder without such a file.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = [p for p in path.rglob("*") if suffix(p) in suffixes and p.is_file()]
            shown = sorted(p for p in inside if not _is_hidden(p.relative_to(path)))
            hidden = len(inside) - len(shown)
            if hidden:
                _log.warning("%s: %d hidden files (.NAME) are passed over", path, hidden)
            if not shown:
                raise DataError(
                    f"{path}: no {' or '.join(suffixes)} file in this folder"
                    + (f", but {hidden} hidden ones" if hidden else "")
                )
            files.update(dict.fromkeys(shown))
        elif not path.exists():
            raise DataError(f"{path}: no such file or folder")
        elif suffix(path) not in (*suffixes, *named):
            raise DataError(f"{path}: expected a {' or '.join(suffixes)} file or a folder of them")
        else:
            files[path] = None
    if not files:
        raise DataError("no data given: name a file or a folder")
    # what is only named is text, and comes with the first suffix
    order = {one: i for i, one in enumerate(suffixes)}
    return sorted(files, key=lambda file: order.get(suffix(file), 0))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def refuse_twice(origin: Iterable[tuple[str, Path]]) -> None:
    """Raises ``DataError`` when a patient comes from two places; capitals do not count."""
    seen: dict[str, tuple[str, Path]] = {}
    for patient, file in origin:
        before = seen.setdefault(patient.casefold(), (patient, file))
        if before != (patient, file):
            names = patient if patient == before[0] else f"{before[0]} or {patient}"
            raise DataError(
                f"patient {names} is given twice: {before[1]} and {file}; leave one out"
            )


def refuse_copies(origin: Iterable[tuple[str, Path]], contents: Iterable[bytes | None]) -> None:
    """Raises ``DataError`` when two patients have one and the same stay.

    A copy of a file would put a patient on both sides of a split into training and test.

    Args:
        origin: the name of each stay, and its file.
        contents: what was measured in each; ``None`` where two stays may be alike by chance.
    """
    seen: dict[bytes, tuple[str, Path]] = {}
    for (patient, file), content in zip(origin, contents, strict=True):
        if content is None:
            continue
        digest = hashlib.blake2b(content, digest_size=16).digest()
        before, where = seen.setdefault(digest, (patient, file))
        if before != patient:
            raise DataError(
                f"{before} and {patient} are the same stay under two names: {where} and {file}; "
                "leave one out"
            )


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
