"""Random stays with risks and decisions, as a model would score them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.support.synthetic_stays import random_labels
from trainer.metrics.definitions import Scored


def random_risks(label: NDArray[np.int8], seed: int, decimals: int = 7) -> NDArray[np.float64]:
    """(R,) risks, higher where the label is positive; the fewer decimals, the more ties."""
    noise = np.random.default_rng(seed).normal(-3 + 1.5 * label, 1)
    return np.round(1 / (1 + np.exp(-noise)), decimals)


def random_scored(seed: int, n_stays: int = 300, decimals: int = 7) -> Scored:
    """Random scored stays, of both hospitals in turns."""
    label, starts = random_labels(seed, n_stays)
    risk = random_risks(label, seed, decimals)
    alerts = np.random.default_rng(seed + 1).random(len(label)) < 0.05
    ids = [f"p{i % 2}{i:05}" for i in range(n_stays)]
    on = alerts | (np.random.default_rng(seed + 2).random(len(label)) < 0.1)
    sites = np.array(["AB"[i % 2] for i in range(n_stays)])
    return Scored(ids, starts, label, risk, risk > 0.1, alerts, on, sites)
