"""The hidden course of a stay: length, severity, and sepsis with its onset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.sim.noise import ornstein_uhlenbeck

Array = NDArray[np.float64]

# Quantiles of the length of non-septic stays and of the label onset of septic ones, in hours, in
# the public PhysioNet 2019 data. The ends are closer together, since septic stays add to both.
_STAY_AT: Final = (0.0, 0.01, 0.05, 0.25, 0.50, 0.75, 0.90, 0.95, 0.985, 1.0)
_STAY_HOURS: Final = (8.0, 10.0, 14.0, 24.0, 38.5, 46.0, 53.0, 56.0, 60.0, 140.0)
_ONSET_AT: Final = (0.0, 0.25, 0.50, 0.75, 0.90, 0.95, 1.0)
_ONSET_HOURS: Final = (0.5, 7.0, 28.0, 72.0, 133.0, 180.0, 300.0)
# A real septic record stops some 9 h after the label onset, so its end reveals the label. Here
# treatment goes on for a random time that reveals nothing.
_AFTER_ONSET_MIN_H: Final = 9.0
_AFTER_ONSET_MEDIAN_H: Final = 10.0

# Septic patients are already the sicker ones a day before (heart rate 88.5 against 84.6).
_SEPTIC_SEVERITY: Final = 1.1
_SEVERITY_TAU_H: Final = 24.0
# The label turns 1 six hours before the challenge's t_sepsis; antibiotics come around that time.
LABEL_LEAD_H: Final = 6.0


@dataclass(frozen=True, slots=True)
class Course:
    """The latent course of one stay on its hourly grid of ``hours + 1`` points, from admission.

    ``severity`` is general illness in standard deviations of the ward; ``infection`` the burden of
    sepsis, on average 0 long before the label onset, over half at it and near 1 six hours later,
    then falling under antibiotics; ``alarm`` is the strength of the staff's suspicion (0-1).
    ``onset_h`` is the label onset in hours after admission (six hours before the challenge's
    t_sepsis), ``None`` for a stay without sepsis; ``antibiotic_h`` when antibiotics start, if ever.
    """

    length_h: float
    hours: int
    onset_h: float | None
    antibiotic_h: float | None
    severity: Array  # (hours + 1,)
    infection: Array  # (hours + 1,)
    alarm: Array  # (hours + 1,)


def draw_course(rng: np.random.Generator, sepsis_share: float) -> Course:
    """Draws the course of one stay, septic with probability ``sepsis_share``."""
    septic = rng.random() < sepsis_share
    onset_h: float | None = None
    antibiotic_h: float | None = None
    if septic:
        onset_h = float(np.interp(rng.random(), _ONSET_AT, _ONSET_HOURS))
        after_h = _AFTER_ONSET_MEDIAN_H * np.exp(0.6 * rng.standard_normal())
        length_h = onset_h + _AFTER_ONSET_MIN_H + min(float(after_h), 72.0)
        antibiotic_h = onset_h + rng.uniform(0.0, 8.0)
    else:
        length_h = float(np.interp(rng.random(), _STAY_AT, _STAY_HOURS))
        # Prophylaxis and unconfirmed suspicion: an antibiotic alone must not reveal the label.
        if rng.random() < 0.3:
            antibiotic_h = rng.uniform(0.0, 0.7 * length_h)
    hours = int(np.ceil(length_h))
    wander = ornstein_uhlenbeck(rng.standard_normal((hours + 1, 1)), _SEVERITY_TAU_H)[:, 0]
    severity = 0.85 * rng.standard_normal() + 0.5 * wander + _SEPTIC_SEVERITY * septic
    infection, alarm = _septic_burden(rng, hours, onset_h, antibiotic_h)
    return Course(length_h, hours, onset_h, antibiotic_h, severity, infection, alarm)


def _septic_burden(
    rng: np.random.Generator, hours: int, onset_h: float | None, antibiotic_h: float | None
) -> tuple[Array, Array]:
    """Infection and alarm on the hourly grid; both zero for a stay without sepsis."""
    if onset_h is None or antibiotic_h is None:
        return np.zeros(hours + 1), np.zeros(hours + 1)
    t = np.arange(hours + 1, dtype=np.float64)
    # Some courses show nothing and some a great deal: this spread makes detection hard.
    amplitude = rng.gamma(1.0, 1.0)
    width_h = rng.uniform(1.0, 4.0)
    infection = amplitude / (1.0 + np.exp(-np.clip((t - onset_h + 1.0) / width_h, -50.0, 50.0)))
    treated_h = np.maximum(t - antibiotic_h - 6.0, 0.0)  # antibiotics need hours to show
    infection *= np.exp(-treated_h / 30.0)
    alarm = np.exp(-0.5 * ((t - onset_h - 3.0) / 4.0) ** 2)
    return infection, alarm
