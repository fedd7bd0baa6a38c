"""Checkpoints of a training run: stopped at any moment, it goes on as if it had not been."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from trainer.atomic import write_atomically
from trainer.errors import ResumeError

Weights: TypeAlias = dict[str, Tensor]
Epoch: TypeAlias = dict[str, float]

FILE: Final = "checkpoint.pt"


@dataclass(slots=True)
class Run:
    """The state of a training run after an epoch: all that going on needs.

    Attributes:
        weights: of the last step.
        average: their running average, which is validated.
        optimizer: the optimiser's own state.
        steps: done so far.
        best: the average after the best epoch so far.
        best_epoch: counted from 1.
        history: figures of each epoch.
    """

    weights: Weights
    average: Weights
    optimizer: dict[str, Any]
    steps: int = 0
    best: Weights = field(default_factory=dict)
    best_epoch: int = 0
    history: list[Epoch] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file that keeps a run.

    Attributes:
        file: it need not be there yet.
        made_of: recipe, data and feature builder that the run depends on; a checkpoint of anything
            else is refused.
    """

    file: Path
    made_of: dict[str, object]

    def load(self, device: torch.device) -> Run | None:
        """Reads the run, ``None`` when none was kept.

        Raises:
            ResumeError: the checkpoint is damaged, or of another recipe or other data.
        """
        if not self.file.exists():
            return None
        again = f"remove {self.file} or leave out --resume to begin anew"
        try:
            kept = torch.load(self.file, map_location=device, weights_only=True)
        except Exception as error:  # unpickling a damaged file may raise anything
            raise ResumeError(f"{self.file} cannot be read ({error}); {again}") from error
        for name, value in self.made_of.items():
            if kept["made_of"].get(name) != value:
                raise ResumeError(f"{self.file} was made with another {name}; {again}")
        return Run(**kept["run"])

    def save(self, run: Run) -> None:
        """Keeps the run; the file before is there until the new one is whole."""
        content = {
            "made_of": self.made_of,
            "run": {f.name: getattr(run, f.name) for f in fields(run)},
        }
        with write_atomically(self.file) as new:
            torch.save(content, new)
