from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import numpy as np

from streamer.core.time import DAY_MS
from streamer.sim.census import CENSUS, STAY, admissions, stream
from streamer.sim.scenario import Scenario

SCENARIO = Scenario(beds=5, seed=3, readmission_share=0.3, transfer_share=0.3)


def test_a_bed_has_one_stay_at_a_time_and_admissions_are_in_order() -> None:
    stays = list(islice(admissions(SCENARIO), 100))
    assert [stay.index for stay in stays] == list(range(100))
    admitted = [stay.admit_ms for stay in stays]
    assert admitted == sorted(admitted)
    free_ms: dict[str, int] = {}
    for stay in stays:
        assert stay.admit_ms > free_ms.get(stay.bed, 0)
        free_ms[stay.bed] = stay.discharge_ms
    assert len(free_ms) == 5


def test_a_readmitted_patient_was_at_home_for_a_day() -> None:
    stays = list(islice(admissions(SCENARIO), 100))
    n_stays = Counter(stay.patient.patient_id for stay in stays)
    assert max(n_stays.values()) > 1
    left_ms: dict[str, int] = {}
    for stay in stays:
        patient = stay.patient.patient_id
        if patient in left_ms:
            assert stay.admit_ms >= left_ms[patient] + DAY_MS
        left_ms[patient] = stay.discharge_ms


def test_a_side_room_has_one_patient_at_a_time() -> None:
    moved = [stay for stay in islice(admissions(SCENARIO), 100) if stay.transfer_ms is not None]
    assert moved
    spans = sorted((stay.side_room, stay.transfer_ms, stay.discharge_ms) for stay in moved)
    for (room, _, until_ms), (other, from_ms, _) in pairwise(spans):
        assert room != other or (from_ms or 0) >= until_ms


def test_streams_of_another_kind_or_number_are_independent() -> None:
    drawn = [stream(SCENARIO, kind, n).random() for kind in (CENSUS, STAY) for n in (0, 1)]
    assert len(set(drawn)) == 4
    assert stream(SCENARIO, STAY, 1).random() == drawn[3]
    assert np.isfinite(drawn).all()
