"""The interface of a family of models: it can be fitted, and then asked for scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.data.dataset import Material

Settings: TypeAlias = Mapping[str, float | int | str]
"""Hyperparameters by name."""


class Level(StrEnum):
    """The information a model may use. Families are compared within and across levels."""

    REFERENCE = "reference"
    """Nothing of the patient's condition, or a score that is worked out by hand at the bedside."""
    SNAPSHOT = "snapshot"
    """The last value of each variable, whether and how long ago it was measured, demographics."""
    WINDOW = "window"
    """The snapshot and statistics of the hours before."""
    SEQUENCE = "sequence"
    """The hours one after another; a state keeps what matters of them."""
    TRUTH = "not live"
    """The true label of the time before, unknown at the bedside: a bound, not a competitor."""


@dataclass(frozen=True, slots=True)
class Task:
    """The data that every family is fitted to.

    Attributes:
        material: the stays, their features, the scaling of training patients and the split.
        seed: random seed of all fits.
        threads: that may be used.
    """

    material: Material
    seed: int
    threads: int


class Fitted(Protocol):
    """A model that was fitted."""

    @property
    def state_bytes(self) -> int:
        """Bytes that must be kept of a stay from one hour to the next."""

    def scores(self, stays: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R,) numbers that rise with the risk of an hour; NaN in the hours of other stays.

        Any scale will do, though log odds calibrate best. An hour's score depends on this hour and
        those before it alone.

        Args:
            stays: which ones of the cohort to score.
        """


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one kind, from which the best on validation patients is taken.

    Attributes:
        name: short words for tables.
        level: what it may know.
        candidates: the settings that are tried; all families that have any have equally many.
        fit: makes a model of one candidate. It learns from training patients; validation patients
            serve to stop early; test patients are never looked at.
    """

    name: str
    level: Level
    candidates: tuple[Settings, ...]
    fit: Callable[[Task, Settings, Progress | None], Fitted]
