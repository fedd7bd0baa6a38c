from __future__ import annotations

import numpy as np

from streamer.sim.course import Course
from streamer.sim.treatment import treat

HOURS = 30


def course(antibiotic_h: float | None = None) -> Course:
    nothing = np.zeros(HOURS + 1)
    return Course(float(HOURS), HOURS, None, antibiotic_h, nothing, nothing, nothing)


def test_a_normal_pressure_is_not_treated() -> None:
    treatment = treat(np.random.default_rng(0), course(), np.full(HOURS + 1, 85.0))
    assert treatment.acts == ()
    assert not treatment.lift_mmhg.any()


def test_a_low_pressure_gets_fluid_then_a_vasopressor_that_is_weaned() -> None:
    pressure = np.full(HOURS + 1, 45.0)
    pressure[15:] = 80.0
    treatment = treat(np.random.default_rng(0), course(), pressure)
    kinds = [(act.kind, act.action) for act in treatment.acts]
    assert kinds[0] == ("fluid", "bolus")
    assert kinds.index(("vasopressor", "start")) < kinds.index(("vasopressor", "stop"))
    assert [act.hour for act in treatment.acts] == sorted(act.hour for act in treatment.acts)
    assert sum(kind == "fluid" for kind, _ in kinds) <= 4
    assert treatment.lift_mmhg[10] > 5 > treatment.lift_mmhg[-1]


def test_an_antibiotic_starts_at_the_hour_of_the_course() -> None:
    treatment = treat(np.random.default_rng(0), course(7.5), np.full(HOURS + 1, 85.0))
    assert [(act.hour, act.kind, act.action) for act in treatment.acts] == [
        (7.5, "antibiotic", "start")
    ]
