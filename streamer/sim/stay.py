"""A simulated stay: everything that happens in it is drawn when the patient arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.time import DAY_MS, HOUR_MS
from streamer.sim.course import Course, draw_course
from streamer.sim.labs import Draw, draw_blood, simulate_lab_values
from streamer.sim.patient import Patient
from streamer.sim.physiology import Vitals, simulate_vitals
from streamer.sim.treatment_knobs import TreatmentKnobs

# Percentiles of hours in hospital before the ICU: 0, 25, 50, 75, 95, 100 % (PhysioNet 2019).
_BEFORE_AT: Final = (0.0, 0.25, 0.50, 0.75, 0.95, 1.0)
_BEFORE_HOURS: Final = (0.0, 0.6, 5.0, 47.0, 257.0, 900.0)
_ICU_TYPES: Final = ("medical", "surgical", "unknown")
_ICU_SHARES: Final = (0.30, 0.31, 0.39)  # 39 % unknown, as in the public data


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay from admission to discharge: patient, bed, and all hidden values.

    ``index`` counts stays from 0 in order of admission. ``transfer_ms`` and ``side_room`` are set
    if the patient is transferred. ``lab_values`` is the hidden (hours + 1, N_LABS) table that
    ``draws`` were measured from.
    """

    index: int
    patient: Patient
    admit_ms: int
    bed: str
    icu_type: str
    hours_since_hospital_admission: float
    course: Course
    vitals: Vitals
    lab_values: NDArray[np.float64]
    draws: tuple[Draw, ...]
    transfer_ms: int | None = None
    side_room: str | None = None

    @property
    def discharge_ms(self) -> int:
        """The end of the stay, epoch milliseconds."""
        return self.ms_at(self.course.length_h)

    def ms_at(self, hour: float) -> int:
        """Epoch milliseconds of ``hour`` hours after admission."""
        return self.admit_ms + int(hour * HOUR_MS)


def draw_stay(
    rng: np.random.Generator,
    patient: Patient,
    *,
    index: int,
    admit_ms: int,
    bed: str,
    sepsis_share: float,
    treatment: TreatmentKnobs = TreatmentKnobs(),  # noqa: B008 - frozen
) -> Stay:
    """Draws all hidden values of one stay; takes about 1 ms for the median 38 hours."""
    course = draw_course(rng, sepsis_share)
    hour_of_day = (admit_ms % DAY_MS) / HOUR_MS
    vitals = simulate_vitals(rng, patient, course, hour_of_day, treatment)
    lab_values = simulate_lab_values(rng, patient, course)
    return Stay(
        index=index,
        patient=patient,
        admit_ms=admit_ms,
        bed=bed,
        icu_type=_ICU_TYPES[int(np.searchsorted(np.cumsum(_ICU_SHARES), rng.random() * 0.999))],
        hours_since_hospital_admission=float(np.interp(rng.random(), _BEFORE_AT, _BEFORE_HOURS)),
        course=course,
        vitals=vitals,
        lab_values=lab_values,
        draws=tuple(draw_blood(rng, course, vitals, lab_values)),
    )
