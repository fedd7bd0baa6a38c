"""A record on which the program fails costs itself: never the service, never another record."""

from __future__ import annotations

import re
from typing import Any

import pytest

from streamer.core import codec, scoring
from streamer.core.assessment import Assessments, assess
from streamer.core.stays import StayTable
from streamer.service import scoring as batch_scoring
from tests.support.fake_service import (
    TOPICS,
    Event,
    FakeService,
    Killed,
    event,
    library,
    random_log,
    reference_run,
)

LIBRARY, _ = library(5)
POISON = "poison"


@pytest.fixture(autouse=True)
def fault_in_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails at the evaluation of one patient, when the stays of the batch have been changed."""

    def failing(table: StayTable, model: Any, slots: Any, *rest: Any, **more: Any) -> Assessments:
        if POISON in table.names(slots):
            raise KeyError(POISON)
        return assess(table, model, slots, *rest, **more)

    monkeypatch.setattr(scoring, "assess", failing)


def with_poison(events: list[Event], *positions: int) -> list[Event]:
    """The events with some more of a patient for whom the program fails, on partition 0."""
    mixed = list(events)
    for minute, position in enumerate(positions):
        mixed.insert(position, event(0, POISON, minute * 5, values={"heart_rate": 80}))
    return mixed


def dead_letters(fake: FakeService) -> list[tuple[str, bytes | None]]:
    """Reason and key of what was set aside for an error of the program."""
    outputs = [(dict(o.headers), o) for o in fake.broker.outputs if o.topic == TOPICS.rejected]
    return [
        (headers["detail"].decode(), output.key)
        for headers, output in outputs
        if headers["reason"] == b"internal_error"
    ]


OF_RECORDS = {"evaluated_ms", "respond_ms", "deadline_ms", "unseen_until_ms"}
"""Fields that hold timestamps of records."""


def others(fake: FakeService) -> list[Any]:
    """All messages but those of the patient, without what the poison moves: offsets, timestamps."""
    messages = fake.messages("risk") + fake.messages("alerts")
    moved = {"offset": 0, "respond_by": None}
    return [{**m, **moved} for m in messages if m["patient_id"] != POISON]


@pytest.mark.parametrize("max_batch", [7, 2_000])
@pytest.mark.parametrize("positions", [(0,), (40, 41, 90), (150,)])
def test_it_is_set_aside_and_the_others_are_as_without_it(
    positions: tuple[int, ...], max_batch: int
) -> None:
    events = random_log(seed=1)
    expected = reference_run(LIBRARY, events)
    fake = FakeService(LIBRARY)
    fake.send(with_poison(events, *positions))
    fake.drain(fake.process(max_batch))
    letters = dead_letters(fake)
    assert [key for _, key in letters] == [POISON.encode()] * len(positions)
    assert all(re.fullmatch(r"KeyError at \S+\.py:\d+ failing", detail) for detail, _ in letters)
    assert sorted(map(str, others(fake))) == sorted(map(str, others(expected)))
    assert without_log_times(fake) == without_log_times(expected)


def without_log_times(fake: FakeService) -> dict[int, dict[str, dict[str, bytes]]]:
    """The stored stays without the times of records, which the poison moves."""
    architecture = LIBRARY.in_force().architecture
    stays: dict[int, dict[str, dict[str, bytes]]] = {}
    for number, stored in fake.stored_stays().items():
        table = StayTable(architecture)
        codec.decode(table, number, {p: s for p, s in stored.items() if p != POISON})
        stays[number] = {
            patient: {n: table[n][slot].tobytes() for n in table.fields if n not in OF_RECORDS}
            for patient, slot in table.slot_of.items()
        }
    return stays


def test_it_is_set_aside_once_though_services_die_and_come_back() -> None:
    events = with_poison(random_log(seed=2, n_events=60), 30)

    def die() -> None:
        raise Killed

    whole = reference_run(LIBRARY, events)
    fake = FakeService(LIBRARY)
    fake.send(events)
    for point in ("before_transaction", "after_transaction", "after_save") * 4:
        process = fake.process()
        process.at[point] = die
        with pytest.raises(Killed):
            fake.drain(process)
            process.worker.step()
            raise Killed
        fake.kill(process)
    fake.drain(fake.process())
    assert len(dead_letters(fake)) == 1
    assert fake.outputs_by_patient() == whole.outputs_by_patient()
    assert fake.stored_stays() == whole.stored_stays()


def test_a_batch_is_bounded_by_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events a fortnight apart are few records and much work; another partition goes on."""
    monkeypatch.setattr(batch_scoring, "MOST_ROWS", 3_000)
    fortnight = 13.9 * 24 * 60
    events = [event(0, "p", i * fortnight, values={"heart_rate": 80}) for i in range(10)]
    fake = FakeService(LIBRARY, n_partitions=2)
    fake.send(events)
    process = fake.process()
    process.step()
    process.step()
    assert 1 <= fake.broker.committed[0] <= 2
    other = event(1, "q", 0, values={"heart_rate": 80})
    fake.send([other])
    process.step()
    assert fake.broker.committed[1] == 1
    assert fake.broker.committed[0] <= 4
    fake.drain(process)
    whole = reference_run(LIBRARY, [*events, other], n_partitions=2)
    assert fake.outputs_by_patient() == whole.outputs_by_patient()
    assert fake.stored_stays() == whole.stored_stays()


def test_after_a_failure_that_passes_the_rest_does_not_go_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []

    def failing_first(*args: Any, **named: Any) -> Assessments:
        sizes.append(len(args[2]))
        if len(sizes) <= 7:
            raise MemoryError
        return assess(*args, **named)

    monkeypatch.setattr(scoring, "assess", failing_first)
    fake = FakeService(LIBRARY, n_partitions=1)
    fake.send([event(0, f"p{i}", 0, values={"heart_rate": 80}) for i in range(200)])
    fake.drain(fake.process())
    assert sizes[:8] == [200, 100, 50, 25, 12, 6, 3, 1]
    assert len(fake.messages("risk")) == 200
    assert not dead_letters(fake)
    assert len(sizes) < 25
