from __future__ import annotations

import numpy as np
import pytest

from streamer.sim.course import Course
from streamer.sim.treatment import treat
from streamer.sim.treatment_knobs import TreatmentKnobs

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
    assert [(act.kind, act.action) for act in treatment.acts] == [
        ("antibiotic", "start"),
        ("fluid", "bolus"),
    ]
    antibiotic, fluid = treatment.acts
    assert antibiotic.hour == 7.5
    # Whoever is suspected of an infection gets it, so it is no sign of the label.
    assert 8.5 <= fluid.hour <= 11.5
    assert fluid.dose == 1000


@pytest.mark.parametrize(
    ("shape", "peak_h", "left_after_6h"),
    [("exponential", 0, 0.22), ("plateau", 0, 0.0), ("delayed", 2, 0.41)],
)
def test_a_bolus_lifts_by_its_effect_in_its_shape(
    shape: str, peak_h: int, left_after_6h: float
) -> None:
    pressure = np.full(HOURS + 1, 85.0)
    pressure[9:11] = 40.0  # one reading of two hours: one bolus at hour 11
    knobs = TreatmentKnobs(effect=5, shape=shape)
    treatment = treat(np.random.default_rng(0), course(), pressure, knobs)
    (bolus,) = [act for act in treatment.acts if act.kind == "fluid"]
    lift = treatment.lift_mmhg[int(bolus.hour) :]
    assert lift.argmax() == peak_h
    assert lift.max() == pytest.approx(20)
    assert lift[6] / 20 == pytest.approx(left_after_6h, abs=0.01)


def test_staff_act_below_the_pressure_that_is_asked_for() -> None:
    pressure = np.full(HOURS + 1, 68.0)
    assert treat(np.random.default_rng(0), course(), pressure).acts == ()
    acts = treat(np.random.default_rng(0), course(), pressure, TreatmentKnobs(low_map=72)).acts
    assert acts[0].kind == "fluid"
