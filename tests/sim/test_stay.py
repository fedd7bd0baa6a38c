from __future__ import annotations

import numpy as np
import pytest

from streamer.core.time import HOUR_MS
from streamer.sim.labs import N_LABS
from streamer.sim.patient import draw_patient
from streamer.sim.stay import Stay, draw_stay

ADMIT_MS = 1_767_225_600_000


def stay(seed: int) -> Stay:
    rng = np.random.default_rng(seed)
    patient = draw_patient(rng, 1, N_LABS)
    return draw_stay(rng, patient, index=0, admit_ms=ADMIT_MS, bed="01", sepsis_share=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_everything_in_a_stay_happens_between_admission_and_discharge(seed: int) -> None:
    drawn = stay(seed)
    course = drawn.course
    assert drawn.ms_at(1.5) == ADMIT_MS + 3 * HOUR_MS // 2
    assert drawn.discharge_ms == drawn.ms_at(course.length_h)
    hours = [draw.hour for draw in drawn.draws]
    assert hours == sorted(hours)
    assert all(0 <= hour < course.length_h for hour in hours)
    assert len(drawn.vitals.hourly) == len(drawn.lab_values) == course.hours + 1


def test_equal_seeds_draw_equal_stays() -> None:
    one, again, other = stay(1), stay(1), stay(2)
    assert one.draws == again.draws
    np.testing.assert_array_equal(one.vitals.hourly, again.vitals.hourly)
    assert other.course.length_h != one.course.length_h
