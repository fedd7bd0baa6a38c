"""The census of the ward: admissions, readmissions and transfers, in order of admission."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from streamer.core.time import HOUR_MS
from streamer.sim.labs import N_LABS
from streamer.sim.patient import Patient, draw_patient
from streamer.sim.scenario import Scenario
from streamer.sim.stay import Stay, draw_stay

# Independent random streams: switching the wire's faults off must not change the patients.
CENSUS, PATIENT, STAY, MONITOR_NOISE, WIRE, OUTAGE = range(6)

# A discharged patient may return after a day at home, if among the last to leave.
_HOME_MS: Final = 24 * HOUR_MS
_REMEMBERED: Final = 256
_CLEANING_H: Final = 0.25


def stream(scenario: Scenario, kind: int, number: int) -> np.random.Generator:
    """The random generator of one purpose (such as :data:`STAY`) and one stay, patient or day."""
    return np.random.default_rng((scenario.seed, kind, number))


def admissions(scenario: Scenario) -> Iterator[Stay]:
    """Yields stays in order of admission, without end; at most one at a time for each bed.

    A transferred patient takes one of a few spare side rooms until discharge. Memory is bounded by
    the beds and a short list of discharged patients.
    """
    rng = stream(scenario, CENSUS, 0)
    fill_ms = scenario.fill_hours * HOUR_MS
    free = [(scenario.start_ms + int(rng.random() * fill_ms), bed) for bed in range(scenario.beds)]
    heapq.heapify(free)
    side_rooms = [(scenario.start_ms, room) for room in range(max(1, scenario.beds // 10))]
    left: deque[tuple[int, Patient]] = deque(maxlen=_REMEMBERED)
    n_patients = 0
    index = 0
    while True:
        admit_ms, bed = heapq.heappop(free)
        patient = None
        if rng.random() < scenario.readmission_share:
            patient = _returning(rng, left, admit_ms)
        if patient is None:
            n_patients += 1
            patient = draw_patient(stream(scenario, PATIENT, n_patients), n_patients, N_LABS)
        stay = draw_stay(
            stream(scenario, STAY, index), patient, index=index, admit_ms=admit_ms,
            bed=f"{bed + 1:02d}", sepsis_share=scenario.sepsis_share, treatment=scenario.treatment,
        )  # fmt: skip
        if rng.random() < scenario.transfer_share:
            stay = _moved(rng, stay, side_rooms)
        yield stay
        index += 1
        left.append((stay.discharge_ms, patient))
        empty_h = _CLEANING_H + rng.exponential(scenario.turnover_hours)
        heapq.heappush(free, (stay.discharge_ms + int(empty_h * HOUR_MS), bed))


def _returning(
    rng: np.random.Generator, left: deque[tuple[int, Patient]], admit_ms: int
) -> Patient | None:
    """Removes and returns a patient who left long enough before ``admit_ms``, if there is one."""
    candidates = [entry for entry in left if entry[0] + _HOME_MS <= admit_ms]
    if not candidates:
        return None
    entry = candidates[int(rng.integers(len(candidates)))]
    left.remove(entry)
    return entry[1]


def _moved(rng: np.random.Generator, stay: Stay, side_rooms: list[tuple[int, int]]) -> Stay:
    """The stay with a transfer to a free side room; unchanged if none is free by then."""
    move_ms = stay.ms_at(rng.uniform(0.2, 0.8) * stay.course.length_h)
    for i, (free_ms, room) in enumerate(side_rooms):
        if free_ms <= move_ms:
            side_rooms[i] = (stay.discharge_ms, room)
            return replace(stay, transfer_ms=move_ms, side_room=f"side-{room + 1}")
    return stay
