"""Hidden laboratory values, and the blood draws that measure them.

Drawing is informative: staff draw more often from patients who seem ill, so the rate rises with the
hidden severity, and a suspicion causes short series of blood gas with lactate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import HIGH, INDEX, LOW
from streamer.sim.course import Course
from streamer.sim.noise import ornstein_uhlenbeck
from streamer.sim.patient import ORGANS, Patient
from streamer.sim.physiology import Vitals

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Analyte:
    """One modelled laboratory value.

    ``median`` is the ward's, in the canonical unit. ``between`` and ``within`` are the spreads
    between patients and over a stay, ``severity`` and ``infection`` the effect of one unit of
    each, ``noise`` the analytical error; all in natural-log units where ``log``. The share
    ``organ_share`` of the patient's own normal comes from ``organ`` (negative: worse is lower).
    ``decimals`` is the laboratory's resolution.
    """

    name: str
    median: float
    between: float
    within: float
    severity: float
    infection: float
    noise: float
    decimals: int
    log: bool = False
    organ: str = "kidney"
    organ_share: float = 0.0


# Medians and spreads as measured on the public PhysioNet 2019 data.
ANALYTES: Final = (
    Analyte("bicarbonate", 24.2, 3.5, 1.6, -0.5, -0.5, 0.4, 0, organ="kidney", organ_share=-0.5),
    Analyte("ast", 45, 1.15, 0.30, 0.10, 0.10, 0.04, 0, True, "liver", 0.7),
    Analyte("bun", 18, 0.65, 0.12, 0.08, 0.08, 0.03, 0, True, "kidney", 0.85),
    Analyte("alkaline_phosphatase", 75, 0.52, 0.08, 0.03, 0.03, 0.03, 0, True, "liver", 0.6),
    Analyte("calcium", 8.3, 0.65, 0.35, -0.08, -0.05, 0.10, 1),
    Analyte("chloride", 106, 4.8, 2.0, 0.2, 0.3, 0.7, 0),
    Analyte("creatinine", 0.92, 0.60, 0.14, 0.08, 0.08, 0.03, 2, True, "kidney", 0.9),
    Analyte("glucose", 126, 0.22, 0.20, 0.03, 0.04, 0.06, 0, True),
    Analyte("lactate", 1.85, 0.48, 0.38, 0.10, 0.12, 0.05, 1, True),
    Analyte("magnesium", 2.03, 0.26, 0.20, 0.0, 0.0, 0.05, 1),
    Analyte("phosphate", 3.4, 0.30, 0.20, 0.02, 0.02, 0.03, 1, True, "kidney", 0.6),
    Analyte("potassium", 4.1, 0.44, 0.34, 0.02, 0.02, 0.10, 1, organ="kidney", organ_share=0.5),
    Analyte("bilirubin_total", 0.8, 0.90, 0.15, 0.12, 0.10, 0.04, 1, True, "liver", 0.8),
    Analyte("troponin_i", 0.6, 2.0, 0.50, 0.10, 0.05, 0.08, 2, True),
    Analyte("hemoglobin", 10.4, 1.65, 0.75, -0.10, -0.05, 0.25, 1,
            organ="marrow", organ_share=-0.4),
    Analyte("ptt", 34, 0.28, 0.20, 0.03, 0.03, 0.06, 1, True, "liver", 0.4),
    Analyte("wbc", 10.3, 0.42, 0.17, 0.04, 0.10, 0.04, 1, True, "marrow", -0.4),
    Analyte("fibrinogen", 265, 0.42, 0.15, 0.02, 0.06, 0.05, 0, True, "liver", -0.4),
    Analyte("platelets", 183, 0.48, 0.12, -0.06, -0.05, 0.05, 0, True, "marrow", -0.6),
)  # fmt: skip
N_LABS: Final = len(ANALYTES)
LAB: Final = {analyte.name: i for i, analyte in enumerate(ANALYTES)}
# Values that are derived from others, with the laboratory's resolution in decimals.
DERIVED_DECIMALS: Final = {
    "ph": 2, "paco2": 0, "base_excess": 0, "sao2": 0, "hematocrit": 1, "bilirubin_direct": 1,
}  # fmt: skip
DECIMALS: Final = {analyte.name: analyte.decimals for analyte in ANALYTES} | DERIVED_DECIMALS
_TAU_H: Final = 24.0  # laboratory values move over a day


@dataclass(frozen=True, slots=True)
class Panel:
    """The analytes measured from one tube, each with the share of draws that include it.

    ``median_gap_h`` separates draws from a patient of average severity, with log-spread
    ``gap_spread``; ``rise`` is the growth of the log rate of drawing with one unit of severity;
    ``patient_share`` of stays have the panel at all.
    """

    name: str
    contents: tuple[tuple[str, float], ...]
    median_gap_h: float
    gap_spread: float
    rise: float
    patient_share: float


ROUTINE: Final = (
    Panel("chemistry", (
        ("bun", 1), ("creatinine", 1), ("potassium", 1), ("chloride", 0.6), ("bicarbonate", 0.6),
        ("glucose", 1), ("calcium", 0.75), ("magnesium", 0.8), ("phosphate", 0.6),
    ), 12.0, 0.7, 0.2, 0.98),
    Panel("blood_count", (
        ("hemoglobin", 1), ("hematocrit", 1), ("wbc", 0.9), ("platelets", 0.9),
    ), 11.5, 0.7, 0.2, 0.97),
    Panel("coagulation", (("ptt", 1), ("fibrinogen", 0.2)), 10.5, 0.7, 0.2, 0.5),
    Panel("liver", (
        ("ast", 1), ("alkaline_phosphatase", 1), ("bilirubin_total", 0.95),
        ("bilirubin_direct", 0.08),
    ), 13.0, 0.7, 0.25, 0.36),
    Panel("troponin", (("troponin_i", 1),), 7.5, 0.5, 0.1, 0.16),
    Panel("point_of_care_glucose", (("glucose", 1),), 3.6, 0.6, 0.0, 0.5),
)  # fmt: skip
_GAS: Final = (("ph", 1.0), ("paco2", 1.0), ("base_excess", 1.0), ("sao2", 0.5))


@dataclass(frozen=True, slots=True)
class Series:
    """A panel drawn in short series: ``starts_per_h`` at average severity, ``draws`` on average.

    ``rise`` as in :class:`Panel`; at full alarm of the staff series start ``1 + alarm`` times as
    often. Gaps within a series have the median ``median_gap_h``.
    """

    name: str
    contents: tuple[tuple[str, float], ...]
    starts_per_h: float
    draws: float
    median_gap_h: float
    rise: float
    alarm: float


ACUTE: Final = (
    Series("lactate", (("lactate", 1.0), *_GAS), 0.0080, 3.5, 2.4, 0.35, 1.8),
    Series("blood_gas", _GAS, 0.012, 3.0, 2.4, 0.35, 0.5),
)


@dataclass(frozen=True, slots=True)
class Draw:
    """Blood drawn ``hour`` hours after admission, with its values at full precision."""

    hour: float
    panel: str
    values: dict[str, float]


def simulate_lab_values(
    rng: np.random.Generator, patient: Patient, course: Course
) -> NDArray[np.float64]:
    """Hidden values (hours + 1, N_LABS) on the hourly grid, columns as :data:`ANALYTES`.

    In natural logarithms where ``Analyte.log``; without the error of the analyser.
    """
    wander = ornstein_uhlenbeck(rng.standard_normal((course.hours + 1, N_LABS)), _TAU_H)
    own = _OWN_SHARE * patient.labs + _ORGAN_WEIGHTS @ patient.organs
    hidden: Array = (
        _CENTRE + _BETWEEN * own + _WITHIN * wander
        + np.multiply.outer(course.severity, _SEVERITY)
        + np.multiply.outer(course.infection, _INFECTION)
    )  # fmt: skip
    return hidden


def draw_blood(
    rng: np.random.Generator, course: Course, vitals: Vitals, hidden: Array
) -> list[Draw]:
    """All draws of the stay, in order of time, with the analyser's error."""
    times: list[tuple[float, str, tuple[tuple[str, float], ...]]] = []
    for panel in ROUTINE:
        if rng.random() < panel.patient_share:
            hours = _routine_hours(rng, panel, course)
            times += [(hour, panel.name, panel.contents) for hour in hours]
    for series in ACUTE:
        hours = _series_hours(rng, series, course)
        times += [(hour, series.name, series.contents) for hour in hours]
    times.sort(key=lambda entry: entry[0])
    noise = rng.standard_normal((len(times), N_LABS)) * _NOISE
    extras = rng.standard_normal((len(times), 3))
    kept = rng.random((len(times), max(len(panel.contents) for panel in ROUTINE)))
    draws = []
    for k, (hour, name, contents) in enumerate(times):
        point = min(round(hour), course.hours)
        measured = hidden[point] + noise[k]
        names = [
            content for (content, share), u in zip(contents, kept[k], strict=False) if u < share
        ]
        values = _read(names, measured.tolist(), point, vitals, extras[k].tolist())
        draws.append(Draw(hour, name, values))
    return draws


def _read(
    names: list[str], measured: list[float], point: int, vitals: Vitals, extras: list[float]
) -> dict[str, float]:
    """The values of ``names`` in canonical units, clipped to the streamer's limits."""
    values = {}
    for name in names:
        if name in LAB:
            value = measured[LAB[name]]
            value = float(np.exp(value)) if ANALYTES[LAB[name]].log else value
        else:
            value = _derived(name, measured, point, vitals, extras)
        i = INDEX[name]
        values[name] = min(max(value, float(LOW[i])), float(HIGH[i]))
    return values


def _derived(
    name: str, measured: list[float], point: int, vitals: Vitals, extras: list[float]
) -> float:
    """A value that follows from others: acid-base by Henderson-Hasselbalch and Siggaard-Andersen.

    pH = 6.1 + log10(HCO3 / (0.0307 PaCO2)); base excess = 0.93 (HCO3 - 24.4 + 14.8 (pH - 7.4)).
    """
    if name == "hematocrit":
        return 2.95 * measured[LAB["hemoglobin"]] + 0.6 * extras[0]
    if name == "bilirubin_direct":
        return 0.45 * float(np.exp(measured[LAB["bilirubin_total"]]))
    if name == "sao2":
        return min(float(vitals.saturation[point]) + 0.5 * extras[0], 100.0)
    paco2 = max(float(vitals.paco2[point]) + 3.0 * extras[1], 18.0)
    if name == "paco2":
        return paco2
    # The kidney follows the lung by about a third of a mmol/L for each mmHg.
    bicarbonate = max(measured[LAB["bicarbonate"]] + 0.25 * (paco2 - 40.0), 6.0)
    ph = 6.1 + float(np.log10(bicarbonate / (0.0307 * paco2)))
    return ph if name == "ph" else 0.93 * (bicarbonate - 24.4 + 14.8 * (ph - 7.4))


def _routine_hours(rng: np.random.Generator, panel: Panel, course: Course) -> list[float]:
    """A renewal process in operational time: the panel's clock runs faster in the severely ill."""
    pace = np.exp(panel.rise * course.severity)
    clock = np.concatenate([[0.0], np.cumsum((pace[1:] + pace[:-1]) / 2)])
    count = int(4 * clock[-1] / panel.median_gap_h) + 8
    gaps = panel.median_gap_h * np.exp(panel.gap_spread * rng.standard_normal(count))
    gaps[0] *= rng.random()  # the stay begins somewhere between two draws
    ticks = np.cumsum(gaps)
    hours = np.interp(ticks[ticks < clock[-1]], clock, np.arange(len(clock)))
    return [hour for hour in hours.tolist() if hour < course.length_h]


def _series_hours(rng: np.random.Generator, series: Series, course: Course) -> list[float]:
    """Series start as a Poisson process whose rate follows severity and the staff's alarm."""
    rate = series.starts_per_h * np.exp(series.rise * course.severity)
    rate *= 1.0 + series.alarm * course.alarm
    starts = np.flatnonzero(rng.random(course.hours) < rate[:-1])
    hours: list[float] = []
    for start in starts.tolist():
        count = int(rng.geometric(1.0 / series.draws))
        gaps = series.median_gap_h * np.exp(0.6 * rng.standard_normal(count))
        gaps[0] = rng.random()
        hours += (start + np.cumsum(gaps)).tolist()
    return sorted(hour for hour in hours if hour < course.length_h)


_LOGS: Final = np.array([analyte.log for analyte in ANALYTES])
_MEDIANS: Final = np.array([analyte.median for analyte in ANALYTES], dtype=np.float64)
_CENTRE: Final = np.where(_LOGS, np.log(_MEDIANS), _MEDIANS)
_BETWEEN: Final = np.array([analyte.between for analyte in ANALYTES])
_WITHIN: Final = np.array([analyte.within for analyte in ANALYTES])
_SEVERITY: Final = np.array([analyte.severity for analyte in ANALYTES])
_INFECTION: Final = np.array([analyte.infection for analyte in ANALYTES])
_NOISE: Final = np.array([analyte.noise for analyte in ANALYTES])
_ORGAN_WEIGHTS: Final = np.array(
    [[a.organ_share * (a.organ == organ) for organ in ORGANS] for a in ANALYTES]
)  # (N_LABS, ORGANS)
_OWN_SHARE: Final = np.sqrt(1.0 - (_ORGAN_WEIGHTS**2).sum(axis=1))
