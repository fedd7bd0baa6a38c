from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from streamer.core import codec
from streamer.core.canary import canary_id
from streamer.core.columns import decode
from streamer.core.messages import headers, write
from streamer.core.observations import Observation
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.core.time import DAY_MS
from tests.support.canaries import golden, probe, woven
from tests.support.fake_service import ORIGIN_MS, event, random_log

MODEL, STAY = golden(3)
CANARY = canary_id("i", 0, 0)


def record(patient: str, **fields: Any) -> Record:
    content = {"patient_id": patient, "time": ORIGIN_MS, "values": {"heart_rate": 80}, **fields}
    return Record(0, 0, ORIGIN_MS, patient.encode(), json.dumps(content).encode())


def read_none(
    values: Sequence[bytes | None], _keys: Sequence[bytes | None]
) -> tuple[list[Observation | None], np.ndarray[Any, np.dtype[np.int64]]]:
    """Leaves every event to `events.parse`."""
    return [None] * len(values), np.zeros(len(values), np.int64)


@pytest.mark.parametrize("kind", ["observation", "admission", "discharge", "medication", "action"])
@pytest.mark.parametrize(
    ("patient", "processing", "reason"),
    [
        ("p", {}, None),
        ("p", {"processing": "P"}, None),
        ("p", {"processing": None}, None),
        ("p", {"processing": 7}, None),  # what is not used is not judged
        ("p", {"processing": "T"}, "test_data"),
        ("p", {"processing": "D"}, "test_data"),
        ("canary/i/0/0", {"processing": "T"}, "test_data"),
        (CANARY, {"processing": "T"}, None),
        (CANARY, {}, "bad_patient"),
        (CANARY, {"processing": "P"}, "bad_patient"),
        (CANARY, {"processing": "D"}, "bad_patient"),
        (CANARY, {"processing": ["T"]}, "bad_patient"),
        (" " + CANARY, {"processing": "T"}, "bad_patient"),
    ],
)
def test_only_prefix_and_t_together_are_a_canary(
    kind: str, patient: str, processing: dict[str, object], reason: str | None
) -> None:
    more: dict[str, dict[str, object]] = {
        "medication": {"drug": "x", "action": "start"},
        "action": {
            "action": "pause", "action_id": "123e4567-e89b-42d3-a456-426614174000",
            "actor": {"user": "n"}, "minutes": 5, "reason": "treated",
        },
    }  # fmt: skip
    one = record(patient, type=kind, **processing, **more.get(kind, {}))
    many = [record(f"q{i}") for i in range(60)]  # read at once, all but this one
    for columns in (
        decode([one], None),
        decode([one], None, read_none),
        decode([one, *many], None),
    ):
        reasons = [rejection.reason for rejection in columns.rejections]
        assert reasons == ([reason] if reason else [])
        assert columns.is_canary.tolist().count(True) == (patient == CANARY and reason is None)


class Log:
    """A scorer that takes a log in batches; its messages and stays."""

    def __init__(self, most_a_day: int = 0) -> None:
        self.table = StayTable(MODEL.architecture, most_a_day=most_a_day)
        self.scorer = Scorer(MODEL, self.table, 60_000)
        self.messages: list[tuple[str, bytes, bytes | None, list[tuple[str, bytes]]]] = []
        self.refused: list[tuple[bytes | None, str]] = []

    def take(self, records: Sequence[Record]) -> None:
        columns = decode(records, None)
        partitions = [records[i].partition for i in columns.record]
        outcome = self.scorer.score(columns, partitions)
        self.refused += [(records[r.record].key, r.reason) for r in outcome.rejections]
        for m in write(outcome, columns.record, records, MODEL, self.table):
            self.messages.append((m.kind, m.key, m.value, headers(m, records[m.record])))

    def stays(self) -> dict[str, bytes]:
        slots = np.array(sorted(self.table.slot_of.values()), np.intp)
        stored = codec.encode(self.table, slots, codec.Era(MODEL.model_id))
        return dict(zip(self.table.names(slots), stored, strict=True))

    def of_patients(self) -> list[tuple[str, bytes, bytes | None]]:
        return [message[:3] for message in self.messages if not message[1].startswith(b"~")]


def records_of(events: Sequence[tuple[int, bytes | None, bytes | None]]) -> list[Record]:
    offsets = [0] * 3
    records = []
    for i, (partition, key, value) in enumerate(events):
        records.append(Record(partition, offsets[partition], ORIGIN_MS + 1000 * i, key, value))
        offsets[partition] += 1
    return records


def test_a_canary_alerts_each_time_and_leaves_nothing() -> None:
    log = Log()
    log.take(records_of([e for minute in range(3) for e in probe(STAY, 0, minute)]))
    phases = [
        json.loads(value or b"")["phase"] for kind, _, value, _ in log.messages if kind == "alert"
    ]
    assert phases == ["start", "end"] * 3, "the lock-out of 12 h would silence the second"
    assert not log.stays()
    assert log.table.gone == {0: {CANARY}}
    assert not log.refused
    log.take(records_of(probe(STAY, 0, 5)[-1:]))
    assert log.refused == [(CANARY.encode(), "no_stay")], "a discharge that comes again"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_batches_cut_anywhere_give_the_same(size: int) -> None:
    probes = [probe(STAY, i % 3, i) for i in range(6)]
    on_its_way = probe(STAY, 0, 9)[:3]  # its stay is kept as it is
    records = records_of([*woven(random_log(5, n_events=60), probes), *on_its_way])
    whole, cut = Log(), Log()
    whole.take(records)
    for begin in range(0, len(records), size):
        cut.take(records[begin : begin + size])
    by_key = [sorted(log.messages, key=lambda message: message[1]) for log in (whole, cut)]
    assert by_key[0] == by_key[1]
    assert whole.stays() == cut.stays()


def test_patients_see_nothing_of_canaries() -> None:
    records = records_of(random_log(7, n_events=60))
    beside, n_canaries = [], 0
    for i, one in enumerate(records):  # each event of a canary between two of patients
        beside.append(one)
        turn, step = divmod(i, len(STAY.hours) + 2)
        partition, key, value = probe(STAY, turn % 3, turn)[step]
        beside.append(Record(partition, 10_000 + i, one.timestamp_ms, key, value))
        n_canaries += 1
    logs = Log(), Log()
    logs[0].take(records)
    logs[1].take(beside)
    assert logs[0].of_patients() == logs[1].of_patients(), "byte for byte"
    kept = logs[1].stays()
    assert logs[0].stays() == {patient: kept[patient] for patient in kept if patient[0] != "~"}
    assert sum(message[1].startswith(b"~") for message in logs[1].messages) > n_canaries / 2, (
        "they spoke"
    )


def test_the_clock_of_a_canary_lets_no_patient_go() -> None:
    log = Log()
    partition, key, value = event(0, "p", 0, values={"heart_rate": 80})
    log.take([Record(partition, 0, ORIGIN_MS, key, value)])
    ahead = [
        Record(0, 1 + i, ORIGIN_MS + 30 * DAY_MS, key, value)
        for i, (_, key, value) in enumerate(probe(STAY, 0, 1))
    ]
    log.take(ahead)
    assert log.table.slot_of.keys() == {"p"}
    partition, key, value = event(0, "p", 1, values={"heart_rate": 81})
    log.take([Record(partition, 9, ORIGIN_MS + 1000, key, value)])
    assert (log.table["last_seen_day"][log.table.slot_of["p"]]) == ORIGIN_MS // DAY_MS


def test_a_canary_is_none_of_the_patients_of_a_day() -> None:
    log = Log(most_a_day=2)
    admitted, *rest = probe(STAY, 0, 0)
    new = [event(0, f"p{i}", i, values={"heart_rate": 80}) for i in range(3)]
    log.take(records_of([new[0], admitted]))  # it is on its way when the next patient comes
    log.take(records_of([*probe(STAY, 0, 0, "j"), new[1]]))
    log.take(records_of([*rest, new[2]]))
    assert log.refused == [(b"p2", "too_many_patients")]
