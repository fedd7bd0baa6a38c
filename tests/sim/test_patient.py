from __future__ import annotations

import numpy as np

from streamer.sim.patient import EFFECTS, ORGANS, draw_patient


def test_patients_are_adults_with_traits_of_their_own() -> None:
    rng = np.random.default_rng(0)
    patients = [draw_patient(rng, number, n_labs=4) for number in range(500)]
    ages = [patient.age for patient in patients]
    assert 18 <= min(ages) <= max(ages) <= 93
    assert 60 <= np.median(ages) <= 68
    assert 0.5 < np.mean([patient.sex == "male" for patient in patients]) < 0.62
    first = patients[0]
    assert (first.effects.shape, first.organs.shape, first.labs.shape) == (
        (len(EFFECTS),),
        (len(ORGANS),),
        (4,),
    )
    assert patients[123].patient_id == "sim-000123"
