"""Hidden hourly vitals: the patient's baseline, illness, physiological links, and treatment.

Targets are hour-to-hour figures measured on real ICU hours (the table of
``tests/sim/test_physiology.py``). Each vital is baseline + slow noise (hours) + fast noise
(independent every hour) + links, because the real within-patient autocorrelation drops at once and
then decays over some seven hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.sim.course import Course
from streamer.sim.noise import ornstein_uhlenbeck
from streamer.sim.patient import EFFECTS, ORGANS, Patient
from streamer.sim.treatment import Treatment, treat
from streamer.sim.treatment_knobs import TreatmentKnobs

Array = NDArray[np.float64]

# Columns of the monitor: names and order of the variable table.
MONITOR: Final = (
    "heart_rate", "spo2", "temperature", "sbp", "map", "dbp", "resp_rate", "etco2", "fio2",
)  # fmt: skip
HR, SPO2, TEMP, SBP, MAP, DBP, RESP, ETCO2, FIO2 = range(len(MONITOR))
# Limits of a living monitored patient, within the streamer's limits for every variable.
CLEAN_LOW: Final = np.array([30.0, 60.0, 33.0, 50.0, 35.0, 25.0, 5.0, 12.0, 0.21])
CLEAN_HIGH: Final = np.array([200.0, 100.0, 41.5, 240.0, 180.0, 140.0, 55.0, 80.0, 1.0])

# Correlation times in hours; temperature, the first column, is slowest: the body stores heat.
_SLOW_TAU_H: Final = np.array([11.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0])
_PEAK_HOUR: Final = 17.0  # of the circadian swing of temperature and heart rate
_FIO2_STEPS: Final = np.array([0.21, 0.28, 0.35, 0.40, 0.50, 0.60, 0.70, 0.80, 1.0])


@dataclass(frozen=True, slots=True)
class Vitals:
    """Hidden vitals of a stay on its hourly grid, before any device or wire.

    ``hourly`` is (hours + 1, 9) in canonical units, columns as :data:`MONITOR`, with NaN where a
    patient has no such device (no ventilator: no FiO2, EtCO2). ``fast_sd`` (9,) is the spread of
    each value within an hour. ``saturation`` (hours + 1,) and ``paco2`` are the true arterial
    values behind SpO2 and EtCO2, for the laboratory.
    """

    hourly: Array
    fast_sd: Array
    saturation: Array
    paco2: Array
    treatment: Treatment


def simulate_vitals(
    rng: np.random.Generator,
    patient: Patient,
    course: Course,
    admission_hour_of_day: float,
    treatment_knobs: TreatmentKnobs = TreatmentKnobs(),  # noqa: B008 - frozen
) -> Vitals:
    """Simulates the vitals of one stay; (hours + 1) points, the first at admission."""
    n = course.hours + 1
    effect = dict(zip(EFFECTS, patient.effects.tolist(), strict=True))
    restless = float(np.exp(0.4 * effect["volatility"] - 0.16))  # mean square 1
    slow = restless * ornstein_uhlenbeck(rng.standard_normal((n, 7)), _SLOW_TAU_H)
    fast = restless * rng.standard_normal((n, 7))
    arousal = restless * rng.standard_normal(n)  # lifts rate, pressure and breathing together
    severity, infection = course.severity, course.infection
    # The vessels dilate some hours after the first signs.
    dilated = np.concatenate([np.zeros(min(5, n)), infection])[:n]
    t = np.arange(n) + admission_hour_of_day
    circadian = np.cos(2 * np.pi * (t - _PEAK_HOUR) / 24.0)

    own_temperature = 36.92 + 0.46 * effect["warmth"]
    warmth = 0.66 * slow[:, 0] + 0.03 * fast[:, 0] + 0.12 * circadian + 0.25 * infection
    temperature = own_temperature + 0.09 * severity + warmth

    heart_rate = _skewed(
        82.4, 12.1 * effect["heart"] + 3.75 * severity + 2.4 * infection
        + 2.8 * warmth  # less than the 8-10 /min per degree of textbooks: real steps show .11
        + 1.2 * circadian + 9.8 * slow[:, 1] + 1.7 * fast[:, 1] + 3.2 * arousal,
    )  # fmt: skip
    resp_rate = 4.0 + _skewed(
        13.8, 2.55 * effect["breathing"] + 0.95 * severity + 0.4 * infection + 0.3 * warmth
        + 2.85 * slow[:, 2] + 2.2 * fast[:, 2] + 0.65 * arousal,
    )  # fmt: skip

    mean_shift = -0.6 * severity - 3.4 * dilated + 2.6 * arousal
    shared = 9.8 * slow[:, 3] + 4.2 * fast[:, 3]  # volume and tone: both pressures alike
    pressure, pulse = effect["pressure"], effect["pulse_pressure"]
    sbp = _skewed(
        120.4, 12.9 * pressure + 9.5 * pulse + 1.25 * (mean_shift + shared)
        + 8.0 * slow[:, 4] + 6.5 * fast[:, 4],
    )  # fmt: skip
    dbp = _skewed(
        60.4, 8.0 * pressure - 4.8 * pulse + 0.85 * (mean_shift + shared)
        + 2.9 * slow[:, 5] + 3.8 * fast[:, 5],
    )  # fmt: skip
    treatment = treat(rng, course, (sbp + 2 * dbp) / 3, treatment_knobs)
    sbp += 1.3 * treatment.lift_mmhg
    dbp += 0.85 * treatment.lift_mmhg
    # Cuff and transducer measure the mean themselves; it is not exactly a third of the way.
    mean = (sbp + 2 * dbp) / 3 + restless * 4.4 * rng.standard_normal(n)

    lung = patient.organs[ORGANS.index("lung")]
    shunt = np.exp(-3.0 + 0.55 * lung + 0.1 * severity + 0.08 * infection + 0.60 * slow[:, 6])
    paco2 = 40.0 + 5.0 * lung + 3.0 * slow[:, 2] - 0.25 * (resp_rate - 18.5)
    fio2, supported = _oxygen(rng, shunt)
    saturation = arterial_saturation(fio2, shunt, paco2)
    spo2 = saturation + 1.5 * fast[:, 6]
    etco2 = np.full(n, np.nan)
    if supported and rng.random() < 0.17:  # capnography: 8 % of stays
        etco2 = paco2 - 5.0 - 2.0 * abs(lung) + 1.0 * rng.standard_normal(n)

    columns = (heart_rate, spo2, temperature, sbp, mean, dbp, resp_rate, etco2,
               fio2 if supported else np.full(n, np.nan))  # fmt: skip
    hourly = coherent(np.stack(columns, axis=1))
    fast_sd = restless * np.array([4.4, 1.5, 0.06, 9.5, 7.5, 6.5, 2.7, 1.5, 0.0])
    return Vitals(hourly, fast_sd, saturation, paco2, treatment)


def coherent(rows: Array) -> Array:
    """Monitor rows (R, 9) clipped to ``CLEAN_LOW`` and ``CLEAN_HIGH``, with DBP < MAP < SBP."""
    rows = np.clip(rows, CLEAN_LOW, CLEAN_HIGH)
    rows[:, DBP] = np.minimum(rows[:, DBP], rows[:, SBP] - 10.0)
    rows[:, MAP] = np.clip(rows[:, MAP], rows[:, DBP] + 2.0, rows[:, SBP] - 2.0)
    return rows


def _skewed(centre: float, deviation: Array) -> Array:
    """A value with the right-hand tail that rates and pressures have: normal on a log scale.

    Small deviations are additive: about ``centre + deviation``.
    """
    value: Array = centre * np.exp(deviation / centre)
    return value


def arterial_saturation(fio2: Array, shunt: Array, paco2: Array) -> Array:
    """Oxygen saturation in percent of blood that partly bypasses the lung.

    ``fio2`` is the inspired fraction, ``shunt`` the fraction of blood that bypasses on room air
    (supplemental oxygen reaches part of it), ``paco2`` in mmHg; all (T,). The alveolar gas
    equation, Severinghaus' curve (J Appl Physiol 46:599, 1979) and a venous saturation 25 points
    below the arterial one.

    >>> one = np.ones(1)
    >>> arterial_saturation(0.21 * one, 0.06 * one, 40 * one).round(1).item()
    96.1
    """
    alveolar = np.maximum(713.0 * fio2 - paco2 / 0.8, 30.0)
    capillary = 1.0 / (23400.0 / (alveolar**3 + 150.0 * alveolar) + 1.0)
    bypass = np.minimum(shunt * np.power(0.21 / fio2, 0.35), 0.6)
    saturation: Array = 100.0 * np.clip(capillary - 0.25 * bypass / (1.0 - bypass), 0.5, 1.0)
    return saturation


def _oxygen(rng: np.random.Generator, shunt: Array) -> tuple[Array, bool]:
    """The inspired fraction (T,) that the staff set for this lung, and whether it is charted."""
    supported = bool(rng.random() < 0.45)
    need = np.log(shunt / 0.064)
    need = np.repeat(need[::6], 6)[: len(need)]  # settings are not changed every hour
    level = np.clip(0.47 + 0.25 * need, 0.28, 1.0) if supported else 0.21 + 0.1 * need
    steps = np.searchsorted(_FIO2_STEPS, level, side="right") - 1
    return _FIO2_STEPS[np.maximum(steps, 0)], supported
