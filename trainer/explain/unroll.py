"""Unrolls a model over variants of one stay, hour by hour, as the streamer steps it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.core.model import Model
from streamer.datasets.cohort import Cohort
from trainer.data.dataset import build_features

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Unrolled:
    """Every step of ``V`` variants of a stay of ``T`` hours.

    Attributes:
        features: ``(V, T, F)`` raw features.
        h: ``(V, T, layers, hidden)`` hidden state before the step of the hour.
        c: ``(V, T, layers, hidden)`` cell state before it.
        logits: ``(V, T, 3)`` uncalibrated.
    """

    features: Floats
    h: Floats
    c: Floats
    logits: NDArray[np.float64]


def unroll(model: Model, stay: Cohort, values: Floats) -> Unrolled:
    """Builds the features of each variant anew and steps the model through all hours.

    Args:
        model: the model to step.
        stay: one stay of ``T`` hours.
        values: ``(V, T, variables)`` measured in each variant of it, NaN where not measured.
    """
    n, hours, _ = values.shape
    variants = stay.take(np.zeros(n, np.int64))
    variants.values[:] = values.reshape(n * hours, -1)  # `take` has copied them
    features = build_features(variants).reshape(n, hours, -1)
    size = model.architecture
    h = np.zeros((n, hours + 1, size.layers, size.hidden), np.float32)
    c, logits = h.copy(), np.empty((n, hours, 3))
    for hour in range(hours):
        logits[:, hour], h[:, hour + 1], c[:, hour + 1] = model.step(
            features[:, hour], h[:, hour], c[:, hour]
        )
    return Unrolled(features, h[:, :-1], c[:, :-1], logits)
