"""Treatment of low blood pressure and infection, and its effect on the pressure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.sim.course import Course
from streamer.sim.treatment_knobs import TreatmentKnobs

Array = NDArray[np.float64]

_WEAN_ABOVE: Final = 10.0  # mmHg above the pressure that is treated
_BOLUS_LIFT: Final = 4.0  # mmHg, with an effect of 1
_PRESSOR_LIFT: Final = 8.0
_PRESSOR_MIN_H: Final = 6
_MAX_BOLUSES: Final = 4
_ANTIBIOTICS: Final = (
    "vancomycin", "piperacillin-tazobactam", "cefepime", "meropenem", "ceftriaxone",
)  # fmt: skip


# Share of a bolus's lift that is left so many hours after it, by the knob `treatment.shape`.
_SHAPES: Final[dict[str, Callable[[Array], Array]]] = {
    "exponential": lambda hours: np.exp(-hours / 4.0),
    "plateau": lambda hours: (hours < 4.0).astype(np.float64),
    "delayed": lambda hours: hours / 2.0 * np.exp(1 - hours / 2.0),
}
_LASTS_H: Final = 24  # longer than any shape


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


def treat(
    rng: np.random.Generator,
    course: Course,
    untreated_map: Array,
    knobs: TreatmentKnobs = TreatmentKnobs(),  # noqa: B008 - frozen
) -> Treatment:
    """Treats a stay hour by hour: fluids for low pressure, a vasopressor if fluids do not help.

    The course decides who gets 1,000 mL for an infection: one that is suspected, confirmed or not.

    Args:
        rng: of the stay.
        course: its hidden course.
        untreated_map: ``(hours + 1,)`` mean pressure without treatment, mmHg.
        knobs: strength and shape of the effect, and the pressure that is treated.
    """
    acts: list[Medication] = []
    n = len(untreated_map)
    lift, fluids = np.zeros(n), np.zeros(n + _LASTS_H)
    bolus = _BOLUS_LIFT * knobs.effect * _SHAPES[knobs.shape](np.arange(float(_LASTS_H)))
    full, low_map, pressor = _PRESSOR_LIFT * knobs.effect, knobs.low_map, 0.0
    boluses, last_bolus, pressor_since = 0, -99, -1
    wean_map = low_map + _WEAN_ABOVE
    pressures = untreated_map.tolist()
    for hour in range(1, len(pressures)):
        # The mean of two hours, because nobody treats a single reading.
        untreated = (pressures[hour - 1] + pressures[max(hour - 2, 0)]) / 2
        seen = untreated + fluids[hour - 1] + pressor
        if seen < low_map and boluses < _MAX_BOLUSES and hour - last_bolus >= 3:
            fluids[hour : hour + _LASTS_H] += bolus
            boluses, last_bolus = boluses + 1, hour
            acts.append(Medication(hour, "crystalloid", "fluid", "bolus", 500.0, "mL"))
        elif seen < low_map and pressor_since < 0 and boluses:
            pressor_since = hour
            dose = round(float(rng.uniform(0.03, 0.2)), 2)
            acts.append(
                Medication(hour, "norepinephrine", "vasopressor", "start", dose, "ug/kg/min")
            )
        elif pressor_since >= 0 and hour - pressor_since >= _PRESSOR_MIN_H and seen > wean_map:
            pressor_since = -1
            acts.append(Medication(hour, "norepinephrine", "vasopressor", "stop"))
        # A drip is titrated up and down over an hour or two.
        pressor += 0.5 * ((full if pressor_since >= 0 else 0.0) - pressor)
        lift[hour] = fluids[hour] + pressor
    if course.antibiotic_h is not None:
        drug = _ANTIBIOTICS[int(rng.integers(len(_ANTIBIOTICS)))]
        acts.append(Medication(course.antibiotic_h, drug, "antibiotic", "start"))
    # Fluid for an infection that is suspected: if only the septic got it, it would be the label.
    suspected_h = course.antibiotic_h if course.onset_h is None else course.onset_h
    if suspected_h is not None and suspected_h + 4.0 < course.length_h:
        hour_h = suspected_h + rng.uniform(1.0, 4.0)
        acts.append(Medication(hour_h, "crystalloid", "fluid", "bolus", 1000.0, "mL"))
    acts.sort(key=lambda act: act.hour)
    return Treatment(tuple(acts), lift)
