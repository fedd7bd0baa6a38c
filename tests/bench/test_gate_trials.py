"""A candidate on trial: noise is kept out and named, an equal model passes the margins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.gate_trials import noisy, other_seed, trial
from trainer.metrics.definitions import Scored

N_STAYS, N_HOURS = 300, 30


def scored(seed: int = 0) -> Scored:
    """Every third stay is septic from hour 20 on, and the risk says so ten hours before."""
    draws = np.random.default_rng(seed)
    hours = np.tile(np.arange(N_HOURS), N_STAYS)
    septic = np.repeat(np.arange(N_STAYS) % 3 == 0, N_HOURS)
    logits = -4 + 4.0 * (septic & (hours >= 10)) + draws.normal(0, 0.3, len(hours))
    risk = 1 / (1 + np.exp(-logits))
    alert_on = risk > 0.2
    return Scored(
        [f"p{i}" for i in range(N_STAYS)],
        np.arange(N_STAYS + 1) * N_HOURS,
        (septic & (hours >= 20)).astype(np.int8),
        risk,
        risk > 0.2,
        alert_on & ~np.roll(alert_on, 1),
        alert_on,
    )


def test_noise_is_not_promoted_and_utility_says_why() -> None:
    champion = scored()
    is_open, text = trial(noisy(champion, 1, 0.2, 2.0), champion, 50, days=365)
    assert not is_open
    assert "utility (fail)" in text


def test_an_equal_model_is_not_worse_on_the_same_drawn_stays() -> None:
    champion = scored()
    pair = other_seed(replace(champion), champion, seed=3)
    assert pair[0].patient_ids == pair[1].patient_ids
    assert len(set(pair[0].patient_ids)) < N_STAYS
    _, text = trial(*pair, 50, days=365)
    assert "utility (" not in text
    assert "AUROC (" not in text
