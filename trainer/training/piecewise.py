"""Piecewise encoding: the features that the encoder also gets in pieces, and the pieces' edges."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.model import CLIP, Scaling

LEAST_WIDTH: Final = 1e-2
"""Standard deviations. A feature that is often one value has quantiles that fall together."""

MOST_ROWS: Final = 50_000  # settle a quantile to 0.002 of the hours


def choose_piecewise_encoding(
    built: NDArray[np.float32],
    scaling: Scaling,
    rows: NDArray[np.int64],
    gain: NDArray[np.float64],
    n_features: int,
    n_bins: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Chooses features and the edges of their pieces.

    Args:
        built: ``(R, F)`` raw features.
        scaling: of the features.
        rows: the hours of training patients; nothing else is looked at.
        gain: ``(F,)`` of each feature to the teacher; those of most gain are taken.
        n_features: how many are taken.
        n_bins: pieces of a feature.

    Returns:
        ``(k,)`` columns, and ``(k, n_bins + 1)`` rising edges in standard deviations.
    """
    columns = np.argsort(-gain, kind="stable")[:n_features]
    some = rows[:: max(1, len(rows) // MOST_ROWS)]
    scaled = (built[np.ix_(some, columns)] - scaling.mean[columns]) / scaling.std[columns]
    edges = np.tile(np.linspace(-CLIP, CLIP, n_bins + 1), (len(columns), 1))
    for column, values in enumerate(np.clip(scaled.T, -CLIP, CLIP)):
        known = values[~np.isnan(values)]
        if len(known):
            edges[column] = np.quantile(known, np.linspace(0, 1, n_bins + 1))
    for i in range(1, n_bins + 1):
        edges[:, i] = np.maximum(edges[:, i], edges[:, i - 1] + LEAST_WIDTH)
    return columns, edges.astype(np.float32)
