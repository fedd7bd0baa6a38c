"""States that are ahead of the store: what is saved when, and what a crash before it costs."""

from __future__ import annotations

import contextlib
import itertools
import threading
from typing import Any

import pytest

from streamer.core import codec
from streamer.core.stays import StayTable
from streamer.ports.states import StateWrite
from tests.service.test_poison_records import dead_letters
from tests.service.test_worker import LIBRARY, assert_same
from tests.support.fake_service import (
    Event,
    FakeProcess,
    FakeService,
    Killed,
    die,
    event,
    library,
    random_log,
    reference_run,
)
from tests.support.service_chaos import POINTS
from tests.support.small_models import random_bundle

NEVER_S = 1_000  # only what must not wait is saved
EVENTS = random_log(seed=1)


@pytest.fixture(scope="module")
def expected() -> FakeService:
    return reference_run(LIBRARY, EVENTS, save_s=0)


def ahead(events: list[Event] = EVENTS, save_s: float = NEVER_S, **options: Any) -> FakeService:
    fake = FakeService(LIBRARY, save_s=save_s, **options)
    fake.send(events)
    return fake


def steps(process: FakeProcess, n: int) -> None:
    for _ in range(n):
        process.step()


def unsaved(fake: FakeService, partition: int = 0) -> int:
    """Events of a partition whose messages are out and whose states are not saved."""
    return fake.broker.committed.get(partition, 0) - (fake.states.watermark(partition) or 0)


@pytest.mark.parametrize("save_s", [0, 3, NEVER_S])
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_between_two_saves_replays_in_silence(
    expected: FakeService, point: str, save_s: float
) -> None:
    fake = ahead(save_s=save_s)
    for batch in (2, 4):  # the second dies further on, on top of a replay
        process = fake.process(max_batch=9)
        steps(process, batch)
        process.at[point] = die
        with contextlib.suppress(Killed):  # with `NEVER_S` the first save is the last
            fake.drain(process)
        assert batch > 2 or point not in process.at
        fake.kill(process)
    fake.drain(fake.process(max_batch=33))
    assert_same(fake, expected)


def test_states_are_saved_some_seconds_after_they_changed_and_when_nothing_is_left() -> None:
    fake = ahead([event(0, "p", minute, values={"heart_rate": 70}) for minute in range(8)], 3)
    process = fake.process(max_batch=1)
    steps(process, 1)  # it takes the partitions
    behind = []
    for _ in range(8):
        steps(process, 1)
        behind.append(unsaved(fake))
    assert behind == [1, 2, 3, 0, 1, 2, 3, 0]
    fake.send([event(0, "p", 9, values={"heart_rate": 70})])
    steps(process, 1)
    assert unsaved(fake) == 1
    steps(process, 1)
    assert unsaved(fake) == 0


def test_no_more_partitions_are_saved_in_a_round_than_take_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamer.service.unsaved._MOST_STAYS", 1)
    fake = ahead([event(n % 3, f"p{n % 3}", n, values={"heart_rate": 70}) for n in range(60)], 2)
    process = fake.process(max_batch=2)
    marks = []
    for _ in range(12):
        steps(process, 1)
        marks.append([fake.states.watermark(n) for n in range(3)])
    moved = [sum(a != b for a, b in zip(*two, strict=True)) for two in itertools.pairwise(marks)]
    assert max(moved) == 1
    assert sum(moved) >= 2


def test_a_planned_end_saves(expected: FakeService) -> None:
    fake = ahead()
    process = fake.process(max_batch=20)
    steps(process, 4)
    assert unsaved(fake) > 0
    stop = threading.Event()
    stop.set()
    process.worker.run(stop)
    process.worker.close()
    assert [unsaved(fake, number) for number in range(3)] == [0, 0, 0]
    fake.drain(fake.process())
    assert_same(fake, expected)


def test_an_end_while_the_store_is_away_costs_a_replay(expected: FakeService) -> None:
    fake = ahead()
    process = fake.process(max_batch=20)
    steps(process, 4)
    fake.states.available = False
    stop = threading.Event()
    stop.set()
    process.worker.run(stop)
    process.worker.close()
    fake.states.available = True
    assert unsaved(fake) > 0
    fake.drain(fake.process())
    assert_same(fake, expected)


def test_a_partition_that_moves_is_saved_by_the_one_who_gives_it_up(
    expected: FakeService,
) -> None:
    fake = ahead()
    first = fake.process(max_batch=60)
    steps(first, 3)
    assert unsaved(fake, 1) > 0
    second = fake.process(max_batch=60)
    first.step()  # it learns that it has lost partition 1
    assert unsaved(fake, 1) == 0
    fake.drain(first, second)
    assert_same(fake, expected)


def test_who_was_passed_over_saves_nothing(expected: FakeService) -> None:
    fake = ahead()
    zombie = fake.process(max_batch=20)
    steps(zombie, 4)
    fake.broker.expel(zombie.log)
    other = fake.process(max_batch=7)
    steps(other, 2)
    before = fake.states.snapshot()
    zombie.worker.unsaved.give_up(range(3))
    assert fake.states.snapshot() == before
    fake.drain(zombie, other)
    assert_same(fake, expected)


def test_stays_are_saved_before_they_are_evicted() -> None:
    events = [event(0, f"p{n}", n, values={"heart_rate": 70}) for n in range(12)]
    fake = ahead(events, max_stays=4)
    process = fake.process(max_batch=1)
    for _ in range(13):
        process.step()
        assert len(process.worker.cache) <= 4
    evicted = [
        p
        for p in (f"p{n}" for n in range(12))
        if process.worker.cache.evicted.partition_of(p) is not None
    ]
    assert len(evicted) == 8
    assert fake.stored_stays()[0].keys() >= set(evicted)
    assert unsaved(fake) > 0, "not with every batch"
    fake.drain(process)
    assert_same(fake, reference_run(LIBRARY, events))


def test_a_stay_that_ends_gives_up_its_home_at_once() -> None:
    day_ms = 24 * 60 * 60_000
    fake = ahead([event(0, "p", 0, values={"heart_rate": 70})])
    process = fake.process()
    fake.drain(process)
    later_ms = 1_700_000_000_000 + 40 * day_ms
    _, key, value = event(0, "q", 40 * 24 * 60, values={"heart_rate": 70})
    fake.broker.append(0, key, value, later_ms)
    process.step()
    assert unsaved(fake) == 0
    assert set(fake.stored_stays()[0]) == {"q"}


def test_a_model_swap_saves_first_what_the_model_before_has_stepped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamer.service.model_swap.REFRESH_S", -1.0)
    saves: list[StateWrite] = []
    outcomes = []
    for save_s in (0, NEVER_S):
        models, channel = library(5)
        fake = FakeService(models, save_s=save_s)
        fake.send(EVENTS[:90])
        process = fake.process(max_batch=30)
        steps(process, 3)
        bundle = random_bundle(6)
        channel.publish(bundle.model_id, bundle.to_bytes(), 1)
        save = fake.states.save

        def noted(changes: Any, save: Any = save) -> None:
            saves.extend(changes)
            save(changes)

        monkeypatch.setattr(fake.states, "save", noted)
        saves.clear()
        process.step()
        if save_s:
            by_swaps = {swaps: [w for w in saves if w.swaps == swaps] for swaps in (0, 1)}
            assert any(write.changed for write in by_swaps[0])
            assert by_swaps[1]
            assert not any(write.changed for write in by_swaps[1])
        process.at["before_transaction"] = die
        fake.send(EVENTS[90:])
        with pytest.raises(Killed):
            fake.drain(process)
        fake.kill(process)
        fake.drain(fake.process(max_batch=30))
        outcomes.append(fake)
    assert_same(outcomes[1], outcomes[0])


def test_a_stay_that_cannot_be_encoded_costs_its_records_their_place_in_the_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its messages are out: the record is left out of the states, and all others are kept."""
    encode = codec.encode

    def failing(table: StayTable, slots: Any, era: Any) -> list[bytes]:
        if "poison" in table.names(slots):
            raise ValueError("poison")
        return encode(table, slots, era)

    monkeypatch.setattr(codec, "encode", failing)
    fake = ahead(EVENTS)
    for minute in (0, 5):
        fake.send([event(0, "poison", minute, values={"heart_rate": 80})])
    fake.send([event(0, "p0", 90_000, values={"heart_rate": 80})])
    fake.drain(fake.process())
    risks = [(m["partition"], m["offset"]) for m in fake.messages("risk")]
    assert len(risks) == len(set(risks))
    assert "poison" not in fake.stored_stays()[0]
    assert dead_letters(fake) == []
    whole = reference_run(LIBRARY, [*EVENTS, event(0, "p0", 90_000, values={"heart_rate": 80})])
    assert fake.stored_stays()[0].keys() == whole.stored_stays()[0].keys()
    assert fake.stored_stays()[1] == whole.stored_stays()[1]
