"""Changes of a log that must not change what is said of it: cuts, names, clocks, order of arrival.

Nothing here knows a rule of scoring, and nothing is imported from the product: a log and its
changed twin are both scored, and the messages must be equal when the change is taken back.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bench.independent_oracle.judge import Answer
from bench.independent_oracle.ledger import HOUR_MS, Event, Record, epoch_ms, read

Score = Callable[[Sequence[Record], random.Random], list[Answer]]
_SHIFT_MS: Final = 7 * 24 * HOUR_MS  # whole days: stays expire by the day of the log
_SPAN_MS: Final = 46 * HOUR_MS  # less than the 48 hours in which every order is exact
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_ORDERS: Final = 3


def differences(log: Sequence[Record], score: Score, seed: int) -> list[str]:
    """The changes that made a difference, with the first record that shows it.

    Args:
        log: records of one partition; names of patients begin with ``patient-``.
        score: scores a log in batches that the given draws cut.
        seed: of cuts and orders.
    """
    plain = [_text(answer) for answer in score(log, random.Random(seed))]
    twins = {
        "cut in other batches": list(log),
        "patients renamed": [_renamed(record) for record in log],
        "all clocks a week later": [_shifted(record) for record in log],
    }
    faults: list[str] = []
    for name, twin in twins.items():
        shift_ms = _SHIFT_MS if "clocks" in name else 0
        answers = score(twin, random.Random(f"{seed}/{name}"))
        texts = [_text(answer, shift_ms).replace("PATIENT", "patient") for answer in answers]
        wrong = [at for at, (one, two) in enumerate(zip(plain, texts, strict=True)) if one != two]
        faults += [f"{name}: record {wrong[0]} and {len(wrong) - 1} more"] if wrong else []
    for patient, observations in _two_days(log):
        risks = {
            _last_risk(score, patient, random.Random(f"{seed}/{order}"), observations)
            for order in range(_ORDERS)
        }
        faults += [f"another order of arrival: {patient}: {risks}"] if len(risks) > 1 else []
    return faults


def _text(answer: Answer, shift_ms: int = 0) -> str:
    text = json.dumps([answer.risks, answer.alerts, answer.rejected])
    return _TIME.sub(lambda time: str((epoch_ms(time[0]) or 0) - shift_ms), text)


def _renamed(record: Record) -> Record:
    key, value = (
        None if part is None else part.replace(b"patient-", b"PATIENT-")
        for part in (record.key, record.value)
    )
    return record._replace(key=key, value=value)


def _shifted(record: Record) -> Record:
    event, value = read(record, None), record.value
    if isinstance(event, Event):
        value = json.dumps(event.fields | {"time": event.time_ms + _SHIFT_MS}).encode()
    return record._replace(timestamp_ms=record.timestamp_ms + _SHIFT_MS, value=value)


def _two_days(log: Sequence[Record]) -> Iterator[tuple[str, list[Event]]]:
    """The observations of each patient within two days from the first that arrived."""
    by_patient: dict[str, list[Event]] = {}
    for record in log:
        event = read(record, None)
        if isinstance(event, Event) and event.type == "observation":
            by_patient.setdefault(event.patient, []).append(event)
    for patient, events in by_patient.items():
        first_ms = events[0].time_ms
        yield patient, [e for e in events if first_ms <= e.time_ms < first_ms + _SPAN_MS]


def _last_risk(
    score: Score, patient: str, draws: random.Random, observations: Sequence[Event]
) -> str:
    """The risk of a last, empty observation behind all others, which come in any order."""
    first_ms = min(event.time_ms for event in observations)
    last_ms = max(event.time_ms for event in observations) + HOUR_MS
    shuffled = draws.sample(observations, len(observations))
    admission = {"type": "admission", "patient_id": patient, "time": first_ms, "age": 70}
    probe = {"patient_id": patient, "time": last_ms, "values": {}}
    contents = [admission, *(event.fields for event in shuffled), probe]
    log = [
        Record(0, offset, last_ms, patient.encode(), json.dumps(content).encode())
        for offset, content in enumerate(contents)
    ]
    answer = score(log, draws)[-1]
    return json.dumps([risk["horizons"] for risk in answer.risks])
