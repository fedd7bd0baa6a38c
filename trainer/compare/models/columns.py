"""Groups of the streamer's features, for families that are given some of them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.features import NAMES


def _columns(*names: str) -> NDArray[np.int64]:
    """Places in ``NAMES``; a name that ends in a colon stands for all variables."""
    return np.flatnonzero([name in names or f"{name.split(':')[0]}:" in names for name in NAMES])


VALUE: Final = _columns("value:")
"""The last value of each variable, carried forward."""
MEASURED: Final = _columns("measured:")
SINCE: Final = _columns("log_hours_since:")
CONTEXT: Final = _columns(
    "log_hour", "hour", "age", "sex", "medical", "surgical", "log_hours_in_hospital"
)
"""The clock and the demographics."""
EVERYTHING: Final = np.arange(len(NAMES))
