"""Treatment of low blood pressure and infection, and its effect on the pressure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.sim.course import Course

Array = NDArray[np.float64]

_LOW_MAP: Final = 60.0  # mmHg; the guideline's target is 65, staff act on lower values that persist
_WEAN_MAP: Final = 70.0
_BOLUS_LIFT: Final = 4.0  # mmHg at once, decaying over some four hours
_BOLUS_KEEP: Final = float(np.exp(-1 / 4))
_PRESSOR_LIFT: Final = 8.0
_PRESSOR_MIN_H: Final = 6
_MAX_BOLUSES: Final = 4
_ANTIBIOTICS: Final = (
    "vancomycin", "piperacillin-tazobactam", "cefepime", "meropenem", "ceftriaxone",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Medication:
    """One medication, ``hour`` hours after admission; fields as in the medication event."""

    hour: float
    drug: str
    kind: str
    action: str
    dose: float | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Treatment:
    """Medications of a stay by time, and their lift of mean pressure (hours + 1,) in mmHg."""

    acts: tuple[Medication, ...]
    lift_mmhg: Array


def treat(rng: np.random.Generator, course: Course, untreated_map: Array) -> Treatment:
    """Treats a stay hour by hour: fluids for low pressure, a vasopressor if fluids do not help."""
    acts: list[Medication] = []
    lift = np.zeros(len(untreated_map))
    fluid = pressor = 0.0
    boluses, last_bolus, pressor_since = 0, -99, -1
    pressures = untreated_map.tolist()
    for hour in range(1, len(pressures)):
        # The mean of two hours, because nobody treats a single reading.
        untreated = (pressures[hour - 1] + pressures[max(hour - 2, 0)]) / 2
        seen = untreated + fluid + pressor
        fluid *= _BOLUS_KEEP
        if seen < _LOW_MAP and boluses < _MAX_BOLUSES and hour - last_bolus >= 3:
            fluid += _BOLUS_LIFT
            boluses, last_bolus = boluses + 1, hour
            acts.append(Medication(hour, "crystalloid", "fluid", "bolus", 500.0, "mL"))
        elif seen < _LOW_MAP and pressor_since < 0 and boluses:
            pressor_since = hour
            dose = round(float(rng.uniform(0.03, 0.2)), 2)
            acts.append(
                Medication(hour, "norepinephrine", "vasopressor", "start", dose, "ug/kg/min")
            )
        elif pressor_since >= 0 and hour - pressor_since >= _PRESSOR_MIN_H and seen > _WEAN_MAP:
            pressor_since = -1
            acts.append(Medication(hour, "norepinephrine", "vasopressor", "stop"))
        # A drip is titrated up and down over an hour or two.
        pressor += 0.5 * ((_PRESSOR_LIFT if pressor_since >= 0 else 0.0) - pressor)
        lift[hour] = fluid + pressor
    if course.antibiotic_h is not None:
        drug = _ANTIBIOTICS[int(rng.integers(len(_ANTIBIOTICS)))]
        acts.append(Medication(course.antibiotic_h, drug, "antibiotic", "start"))
    if course.onset_h is not None and course.onset_h + 4.0 < course.length_h:
        hour_h = course.onset_h + rng.uniform(1.0, 4.0)
        acts.append(Medication(hour_h, "crystalloid", "fluid", "bolus", 1000.0, "mL"))
    acts.sort(key=lambda act: act.hour)
    return Treatment(tuple(acts), lift)
