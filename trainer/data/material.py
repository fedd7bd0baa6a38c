"""What training sees of a cohort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.core.model import Scaling
from streamer.datasets.cohort import Cohort
from trainer.data.split import Split


@dataclass(frozen=True, slots=True)
class Material:
    """What training sees; R rows, F features.

    Attributes:
        cohort: the stays.
        built: (R, F) raw features.
        scaling: fitted on the training patients.
        split: which stay is on which side.
    """

    cohort: Cohort
    built: NDArray[np.float32]
    scaling: Scaling
    split: Split

    def rows_of(self, stays: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) all rows of these stays, one stay after the other."""
        return self.cohort.rows_of(stays)
