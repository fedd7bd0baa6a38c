"""An invented log: a few thousand records in which every rule of a stay is at work.

Three weeks of the log's own time. Each patient gets worse and better again, so that alerts start,
rise and end; and each has a peculiarity: an admission that comes late, a silence of two weeks or
for good, a discharge, a second stay, other units, late and repeated results, bad records.
Values are corrected and withdrawn, admissions corrected; discharges are early, repeated, cancelled
or outlasted by data; patients are moved; clocks of devices and of records are wrong.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from typing import Any, Final

from bench.independent_oracle.ledger import HOUR_MS, Record

START_MS: Final = 1_793_491_200_000  # 2026-11-01
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 24 * HOUR_MS
_BASE: Final = {
    "heart_rate": 78.0, "spo2": 97.0, "temperature": 36.8, "sbp": 122.0, "map": 84.0, "dbp": 65.0,
    "resp_rate": 16.0,
}  # fmt: skip
_SICK: Final = {
    "heart_rate": 52.0, "spo2": -7.0, "temperature": 2.4, "sbp": -40.0, "map": -30.0, "dbp": -20.0,
    "resp_rate": 16.0,
}  # fmt: skip
_LABS: Final = {
    "lactate": (1.1, 6.0, "mg/dL", 9.01), "creatinine": (0.9, 2.5, "umol/L", 88.4),
    "wbc": (8.0, 14.0, "10*9/L", 1.0), "bilirubin_total": (0.6, 3.0, "umol/L", 17.1),
    "bun": (14.0, 40.0, "mmol/L", 1 / 2.8), "platelets": (240.0, -160.0, "10*9/L", 1.0),
    "glucose": (110.0, 90.0, "mmol/L", 1 / 18), "fio2": (0.21, 0.5, "%", 100.0),
}  # fmt: skip
# At the limits and just beyond them.
_EDGES: Final = (
    {"heart_rate": 300}, {"heart_rate": 300.5}, {"temperature": 44.01}, {"spo2": 50}, {"ph": 6.6},
    {"ph": 6.59}, {"resp_rate": 80.0}, {"resp_rate": 81}, {"platelets": 0.9}, {"fio2": 5},
    {"heart_rate": 255}, {"etco2": 0}, {"lactate": "<0.5"},
    {"heart_rate": "fast"}, {"heart_rate": True}, {"sbp": None},
)  # fmt: skip

Content = dict[str, Any]  # of an event


def invented_log(seed: int, n_patients: int = 24) -> list[Record]:
    """The records of one partition, in the order of the log."""
    draws = random.Random(seed)
    arrivals: list[tuple[int, bytes | None, bytes | None]] = []
    for number in range(n_patients):
        patient = f"patient-{number}"
        for arrival_ms, event in _changed(draws, list(_patient(draws, number))):
            value = json.dumps({"patient_id": patient, **event}).encode()
            arrivals.append((arrival_ms, patient.encode(), value))
            if draws.random() < 0.04:  # again, perhaps much later
                again_ms = arrival_ms + int(draws.expovariate(1 / (3 * HOUR_MS)))
                arrivals.append((again_ms, patient.encode(), value))
            if draws.random() < 0.02:
                arrivals.append((arrival_ms, *_bad(draws, patient, value)))
    arrivals.sort(key=lambda arrival: arrival[0])
    return [
        Record(0, offset, arrival_ms - _lag(draws), key, value)
        for offset, (arrival_ms, key, value) in enumerate(arrivals)
    ]


def _lag(draws: random.Random) -> int:
    """How far the clock of a record's producer is behind, which few are."""
    return draws.randrange(HOUR_MS) if draws.random() < 0.01 else 0


def _patient(draws: random.Random, number: int) -> Iterator[tuple[int, Content]]:
    """Events of a patient with the times at which they arrive."""
    start_ms = START_MS + int(draws.random() * 4 * _DAY_MS)
    kind = number % 8
    start_ms += draws.randrange(HOUR_MS)
    particulars = {"age": draws.randint(20, 95), "sex": draws.choice(("female", "male"))}
    admission = {"type": "admission", "time": start_ms, **particulars}
    if kind in (0, 1, 6):
        yield start_ms, admission | {"icu_type": "medical", "hours_since_hospital_admission": 40}
    elif kind in (2, 3):  # it comes hours after the first observations
        earlier_ms = start_ms - draws.randrange(50 * _MINUTE_MS)
        yield start_ms + int(draws.uniform(1, 40) * HOUR_MS), admission | {"time": earlier_ms}
    end_ms = start_ms + int(draws.uniform(20, 70) * HOUR_MS)
    yield from _course(draws, start_ms, end_ms, ends_sick=kind in (1, 4, 5), late=kind != 4)
    yield end_ms - HOUR_MS, {
        "type": "medication", "time": end_ms - HOUR_MS, "drug": "x", "action": "start",
    }  # fmt: skip
    if kind in (0, 1):
        yield end_ms, {"type": "discharge", "time": end_ms}
    if kind == 1:  # and back again, within the lock-out
        back_ms = end_ms + 5 * HOUR_MS
        yield back_ms, {"type": "admission", "time": back_ms, **particulars}
        yield from _course(draws, back_ms, back_ms + 20 * HOUR_MS, ends_sick=True)
    if kind == 4:  # ill, without a late result, silent for nearly fifteen days, and there again
        later_ms = end_ms + 355 * HOUR_MS
        yield from _course(draws, later_ms, later_ms + 12 * HOUR_MS, ends_sick=True)
    if kind == 7:  # the log goes on to its end
        for day in range(22):
            at_ms = START_MS + day * _DAY_MS + 3 * HOUR_MS
            if at_ms > end_ms:
                yield at_ms, {"time": at_ms, "values": {"heart_rate": 80}}


def _changed(
    draws: random.Random, events: list[tuple[int, Content]]
) -> Iterator[tuple[int, Content]]:
    """The events of a patient, and what corrects them, takes them back or moves the patient."""
    for arrival_ms, event in events:
        chance = draws.random()
        kind = event.get("type", "observation")
        if kind == "discharge":
            yield from _discharges(draws, event)
        elif kind == "admission":
            yield from _admissions(draws, arrival_ms, event)
        elif kind == "observation" and event["values"]:
            if chance < 0.03:  # the clock of the device is ahead
                ahead_ms = draws.randrange(50 * _MINUTE_MS)
                yield arrival_ms, event | {"time": event["time"] + ahead_ms}
                continue
            yield arrival_ms, event
            if chance < 0.15:
                yield from _corrections(draws, arrival_ms, event)
            elif chance < 0.17:
                yield arrival_ms + draws.randrange(HOUR_MS), _transfer(draws, event["time"])
            elif chance < 0.18:  # a discharge by mistake, taken back or not
                yield from _discharges(draws, {"type": "discharge", "time": event["time"] + 1})
            elif chance < 0.19:  # and one that nobody but the data take back
                yield arrival_ms + 1, {"type": "discharge", "time": event["time"]}
        else:
            yield arrival_ms, event


def _corrections(
    draws: random.Random, arrival_ms: int, event: Content
) -> Iterator[tuple[int, Content]]:
    """Greater revisions of an observation, now and then before it or in the wrong order."""
    for revision in range(1, draws.randint(2, 4)):
        values = {
            name: None if draws.random() < 0.4 else _BASE.get(name, value)
            for name, value in event["values"].items()
            if draws.random() < 0.7
        }
        delay_ms = int(draws.expovariate(1 / (4 * HOUR_MS))) - 10 * _MINUTE_MS
        corrected = {"time": event["time"], "values": values, "revision": revision}
        yield arrival_ms + delay_ms, corrected
        if draws.random() < 0.3:  # of equal revision
            other = {name: _BASE.get(name, 1.0) for name in values}
            yield arrival_ms + delay_ms + _MINUTE_MS, corrected | {"values": other}


def _transfer(draws: random.Random, time_ms: int) -> Content:
    return {
        "type": "transfer", "time": time_ms, "ward": f"ICU {draws.randint(1, 3)}",
        "bed": str(draws.randint(1, 12)),
    }  # fmt: skip


def _discharges(draws: random.Random, event: Content) -> Iterator[tuple[int, Content]]:
    """A discharge: late or ahead of its time, sent again, and cancelled before or after it came."""
    time_ms = event["time"]
    sent_ms = time_ms + draws.randint(-55, 40) * _MINUTE_MS
    yield sent_ms, event
    if draws.random() < 0.4:
        yield sent_ms + draws.randrange(3 * HOUR_MS), event
    if draws.random() < 0.4:
        cancelled_ms = sent_ms + draws.randint(-30, 90) * _MINUTE_MS
        yield max(cancelled_ms, time_ms - 55 * _MINUTE_MS), event | {"cancelled": True}
    if draws.random() < 0.2:
        later_ms = time_ms + draws.randint(-60, 60) * _MINUTE_MS
        yield later_ms + _MINUTE_MS, event | {"time": later_ms}


def _admissions(
    draws: random.Random, arrival_ms: int, event: Content
) -> Iterator[tuple[int, Content]]:
    """An admission, its corrections in time and particulars, and the same ones again."""
    sent_ms = arrival_ms - (draws.randrange(55 * _MINUTE_MS) if draws.random() < 0.15 else 0)
    yield sent_ms, event
    corrected = [
        event | {"age": draws.randint(20, 95)},
        event | {"time": event["time"] - draws.randrange(6 * HOUR_MS)},
        event | {"time": event["time"] + draws.randrange(2 * HOUR_MS), "icu_type": "surgical"},
        event | {"time": event["time"] - draws.randint(13, 16) * _DAY_MS},
    ]
    for correction in draws.sample(corrected, draws.randrange(3)):
        again_ms = sent_ms + int(draws.expovariate(1 / (8 * HOUR_MS)))
        again_ms = max(again_ms, correction["time"])
        yield again_ms, correction
        if draws.random() < 0.5:
            yield again_ms + draws.randrange(4 * HOUR_MS), event
        if draws.random() < 0.5:
            yield again_ms + draws.randrange(4 * HOUR_MS), correction


def _course(
    draws: random.Random, start_ms: int, end_ms: int, *, ends_sick: bool, late: bool = True
) -> Iterator[tuple[int, Content]]:
    phase, turns = draws.random() * math.pi, draws.uniform(1.0, 3.0)
    at_ms = start_ms + draws.randrange(30 * _MINUTE_MS)
    while at_ms < end_ms:
        share = (at_ms - start_ms) / (end_ms - start_ms)
        sick = max(0.0, math.sin(phase + turns * 2 * math.pi * share)) ** 0.5
        if ends_sick:
            sick = max(sick, share)
        sick = min(max(sick + draws.gauss(0, 0.1), 0), 1.3)
        values: Content = {
            name: round(_BASE[name] + _SICK[name] * sick + draws.gauss(0, 1), 1)
            for name in _BASE
            if draws.random() < 0.8
        }
        units = {}
        if draws.random() < 0.2 and "temperature" in values:
            values["temperature"] = round(values["temperature"] * 1.8 + 32, 1)
            units["temperature"] = "[degF]"
        if draws.random() < 0.04:
            values |= draws.choice(_EDGES)
        yield at_ms, {"time": at_ms, "values": values, **({"units": units} if units else {})}
        if draws.random() < 0.2:
            yield _lab(draws, at_ms, sick, is_late=late and draws.random() < 0.5)
        at_ms += int(draws.expovariate(1 / (22 * _MINUTE_MS))) + 1
        if draws.random() < 0.05:  # the last millisecond of an hour since the start
            at_ms += HOUR_MS - 1 - (at_ms - start_ms) % HOUR_MS


def _lab(draws: random.Random, at_ms: int, sick: float, *, is_late: bool) -> tuple[int, Content]:
    """A result: up to 75 hours late, in other units now and then."""
    name = draws.choice(list(_LABS))
    well, ill, unit, factor = _LABS[name]
    value = max(well + ill * sick * draws.uniform(0.8, 1.2), well / 4)
    event: Content = {"type": "observation", "time": at_ms, "values": {name: round(value, 3)}}
    if draws.random() < 0.5:
        event |= {"values": {name: round(value * factor, 3)}, "units": {name: unit}}
    hours = draws.uniform(0, 6) if draws.random() < 0.8 else draws.uniform(30, 75)
    hours = hours if is_late else 0.0
    return at_ms + int(hours * HOUR_MS), event


def _bad(draws: random.Random, patient: str, value: bytes) -> tuple[bytes | None, bytes | None]:
    key = patient.encode()
    event = json.loads(value)
    stranger = {**event, "patient_id": "stranger", "type": "discharge"}
    changed = [
        {"time": "yesterday"}, {"time": 4_070_908_800_000}, {"time": 1_795_255_200}, {"values": 3,
        "type": "observation"}, {"type": "nothing"}, {"time": None},
    ]  # fmt: skip
    return draws.choice(
        [
            (key, None), (None, value), (b"someone else", value), (key, value[:-4]),
            (b"stranger", json.dumps(stranger).encode()),
            (key, b"\xff" + value), (key, value + b" " * 65_536),
            *((key, json.dumps(event | fields).encode()) for fields in changed),
        ]
    )  # fmt: skip
