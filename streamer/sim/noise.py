"""Correlated noise: the random motion of simulated values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ornstein_uhlenbeck(normals: Array, tau_h: float | Array) -> Array:
    """A stationary process of unit variance with the correlation time ``tau_h`` hours, one or (K,).

    ``normals`` (T, K) are standard normal deviates, one row per hour; returns (T, K) with
    autocorrelation ``exp(-lag / tau_h)``: the exact hourly samples of an Ornstein-Uhlenbeck
    process (Uhlenbeck and Ornstein, Phys Rev 36:823, 1930).

    >>> ornstein_uhlenbeck(np.array([[1.0], [0.0]]), tau_h=1.0).round(3).tolist()
    [[1.0], [0.368]]
    """
    keep = np.exp(-1.0 / np.asarray(tau_h))
    path = normals * np.sqrt(1.0 - keep * keep)
    path[0] = normals[0]
    for t in range(1, len(path)):
        path[t] += keep * path[t - 1]
    return path
