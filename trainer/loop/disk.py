"""Room on disk for a run: one that fills the disk takes the archive and the service with it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from trainer.archive.source import ArchiveSource

TIMES: Final = 3
"""Stays are kept once as features, soft labels and checkpoints: each less than the stays."""

LEAST_BYTES: Final = 256 * 1024 * 1024
"""Bundles, pictures and logs of a run, however few stays there are."""

_STAYS: Final = "stays"  # the table of an archive that a run reads


def shortage(folder: Path, sources: Sequence[str]) -> str:
    """Why a run must not begin; empty where there is room for it.

    Args:
        folder: of the registry, where a run writes.
        sources: files, folders and archives of stays.
    """
    needed = max(LEAST_BYTES, TIMES * sum(_bytes(source) for source in sources))
    while not folder.exists() and folder != folder.parent:  # a new registry has none yet
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free >= needed:
        return ""
    return f"{_mb(free)} MB are free in {folder}, a run on these stays needs {_mb(needed)}"


def _bytes(source: str) -> int:
    """Bytes of the files of a source; 0 where there is none yet."""
    archive = ArchiveSource.parse(source)
    root = Path(source) if archive is None else archive.root / _STAYS
    files = root.rglob("*") if root.is_dir() else [root]
    return sum(_size(file) for file in files)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except FileNotFoundError:  # the archive's upkeep deletes what no version names
        return 0


def _mb(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.0f}"
