"""Tree sets of the teacher, saved as each is done: a fit that was killed goes on with the next."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from trainer.atomic import write_atomically


@dataclass(frozen=True, slots=True)
class TreeSet:
    """The result of the trees of one view and one left-out fold.

    Attributes:
        log_odds: (n,) of the hours of the left-out fold.
        gain: (features of the view,) summed over the trees.
    """

    log_odds: NDArray[np.float64]
    gain: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SavedTreeSets:
    """A folder with a file for each set that is done.

    Attributes:
        folder: it need not be there yet.
        made_of: what the sets depend on; those of anything else are not used.
    """

    folder: Path
    made_of: Mapping[str, object]

    def load(self, view: int, left_out: int) -> TreeSet | None:
        """Reads a set; ``None`` where it is not done, damaged, or was made of something else."""
        try:
            with self._file(view, left_out).open("rb") as content, np.load(content) as kept:
                if json.loads(str(kept["made_of"])) == json.loads(json.dumps(dict(self.made_of))):
                    return TreeSet(kept["log_odds"], kept["gain"])
        except (OSError, EOFError, KeyError, ValueError, BadZipFile):
            return None
        return None

    def save(self, view: int, left_out: int, done: TreeSet) -> None:
        """Writes a set; a crash leaves it whole or not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(self._file(view, left_out)) as new:
            np.savez(
                new,
                log_odds=done.log_odds,
                gain=done.gain,
                made_of=json.dumps(dict(self.made_of)),
            )

    def clear(self) -> None:
        """Removes all sets, which are not needed once the teacher is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, view: int, left_out: int) -> Path:
        return self.folder / f"{view}-{left_out}.npz"
