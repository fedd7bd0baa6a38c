"""`trainer archive repair`: a last log entry that lost power has torn is moved aside.

The files are on disk before the log names them, so nothing else can be torn. The entry's records
are read from the topic again, since the offsets are in the entry.
"""

from __future__ import annotations

import json
from pathlib import Path

from trainer.archive.schemas import TABLES
from trainer.atomic import sync_folder


def repair(root: Path) -> list[Path]:
    """Moves torn entries aside and returns their new names.

    Raises:
        ValueError: an entry is torn that others follow: that is no loss of power.
    """
    moved = []
    for spec in TABLES:
        log = root / spec.name / "_delta_log"
        entries = sorted(log.glob("*.json")) if log.is_dir() else []
        torn = [entry for entry in entries if not _is_whole(entry)]
        if torn and torn != entries[-1:]:
            raise ValueError(f"{torn[0]}: not the last entry of its log; restore a backup")
        for entry in torn:
            aside = entry.rename(entry.with_suffix(".json.torn"))
            sync_folder(log)
            moved.append(aside)
    return moved


def _is_whole(entry: Path) -> bool:
    try:
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
    except ValueError:
        return False
    return bool(actions) and all(isinstance(action, dict) for action in actions)
