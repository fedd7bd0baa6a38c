"""Freezing: a person stops retraining, until a person lets it go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from trainer.atomic import write_atomically
from trainer.errors import InputError

FILE: Final = "frozen.json"


@dataclass(frozen=True, slots=True)
class Frozen:
    """Who stopped retraining, when and why."""

    by: str
    reason: str
    time: str

    def __str__(self) -> str:
        return f"frozen by {self.by} at {self.time}: {self.reason}"


def frozen(folder: Path) -> Frozen | None:
    """Whether a registry is frozen; one whose file cannot be read is."""
    file = folder / FILE
    try:
        return Frozen(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        return Frozen("nobody", f"{file} cannot be read ({error})", "an unknown time")


def freeze(folder: Path, by: str, reason: str) -> Frozen:
    """Stops retraining in a registry."""
    mark = Frozen(by, reason, datetime.now(UTC).isoformat(timespec="seconds"))
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / FILE) as new:
        new.write((json.dumps(asdict(mark)) + "\n").encode())
    return mark


def thaw(folder: Path) -> Frozen:
    """Lets retraining go on; returns the mark that was there.

    Raises:
        InputError: nothing is frozen.
    """
    mark = frozen(folder)
    if mark is None:
        raise InputError(f"{folder} is not frozen")
    (folder / FILE).unlink()
    return mark
