"""A worker with more patients than it may hold in memory gives the same messages and stays."""

from __future__ import annotations

import contextlib
import struct
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.evicted import EvictedStays
from streamer.ports.states import StoreUnavailable
from tests.service.test_worker import LIBRARY, assert_same
from tests.support.fake_service import (
    Event,
    FakeProcess,
    FakeService,
    Killed,
    die,
    event,
    random_log,
    reference_of,
    reference_run,
)

MOST = 3
DAY_MINUTES = 24 * 60
EVENTS = random_log(seed=7, n_events=240, n_patients=20)


def bounded(events: list[Event], max_stays: int = MOST) -> FakeService:
    fake = FakeService(LIBRARY, max_stays=max_stays)
    fake.send(events)
    return fake


def quiet(process: FakeProcess) -> int:
    """Stays in memory without an alert on: those with one are never evicted."""
    tables = [scorer.table for scorer in process.worker.cache.scorers.values()]
    return sum(
        int((table["alert_severity"][list(table.slot_of.values())] == 0).sum()) for table in tables
    )


@pytest.fixture(scope="module")
def expected() -> FakeService:
    return reference_run(LIBRARY, EVENTS)


@pytest.mark.parametrize("max_batch", [1, 5, 40])
def test_a_bounded_cache_gives_the_same_messages_and_stays(
    expected: FakeService, max_batch: int
) -> None:
    fake = bounded(EVENTS)
    process = fake.process(max_batch)
    for _ in range(30):
        process.step()
        assert quiet(process) <= MOST
    fake.drain(process)
    assert_same(fake, expected)
    cache = process.worker.cache
    assert 0 < len(cache.evicted) == 20 - len(cache)


def test_a_new_owner_keeps_the_bound(expected: FakeService) -> None:
    fake = bounded(EVENTS)
    first = fake.process(max_batch=20)
    for _ in range(4):
        first.step()
    fake.kill(first)
    second = fake.process(max_batch=20)
    second.log.pause([0, 1, 2])
    second.step()
    assert quiet(second) <= MOST
    fake.drain(second)
    assert_same(fake, expected)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    seed=st.integers(1, 8),
    max_stays=st.integers(1, 6),
    max_batch=st.integers(1, 30),
    save_s=st.sampled_from([0, 3, 1_000]),
    deaths=st.lists(
        st.tuples(
            st.sampled_from(["before_transaction", "after_transaction", "after_save"]),
            st.integers(0, 4),
        ),
        max_size=3,
    ),
)
def test_a_bounded_cache_gives_the_same_after_crashes(
    seed: int, max_stays: int, max_batch: int, save_s: float, deaths: list[tuple[str, int]]
) -> None:
    events = random_log(seed, n_events=90, n_patients=9)
    fake = bounded(events, max_stays)
    fake.save_s = save_s
    for point, n_steps in deaths:
        process = fake.process(max_batch)
        for _ in range(n_steps):
            process.step()
        process.at[point] = die
        with contextlib.suppress(Killed):
            process.step()
        fake.kill(process)
    fake.drain(fake.process(max_batch))
    assert_same(fake, reference_of(LIBRARY, seed, 90, n_patients=9))


def test_an_outage_of_the_store_while_stays_are_loaded(expected: FakeService) -> None:
    fake = bounded(EVENTS)
    process = fake.process(max_batch=20)
    for _ in range(4):
        process.step()
    fake.states.available = False
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            process.worker.step()
    fake.states.available = True
    fake.drain(process)
    assert_same(fake, expected)


@pytest.mark.parametrize("older", [False, True])
def test_a_store_that_lost_evicted_stays_is_noticed_before_any_message(
    expected: FakeService, older: bool
) -> None:
    fake = bounded(EVENTS)
    process = fake.process(max_batch=20)
    for _ in range(4):
        process.step()
    snapshot = fake.states.snapshot()
    for _ in range(3):
        process.step()
    if older:
        fake.states.restore(snapshot)
    else:
        fake.states.wipe()
    fake.drain(process)
    assert_same(fake, expected)


def cut(stay: bytes) -> bytes:
    """A stay without its last byte, under a checksum that is right."""
    shorter = stay[:-1]
    return shorter[:6] + struct.pack("<I", crc32(shorter[10:])) + shorter[10:]


def with_evicted_stays() -> tuple[FakeService, FakeProcess]:
    """A worker of three partitions with a patient each; the stays of the first two are evicted."""
    fake = bounded([event(p, f"p{p}", p, values={"heart_rate": 70}) for p in range(3)], 1)
    process = fake.process(max_batch=1)
    fake.drain(process)
    assert [process.worker.cache.evicted.partition_of(f"p{p}") for p in range(3)] == [0, 1, None]
    return fake, process


def epochs(fake: FakeService) -> list[int]:
    return [stored.epoch for stored in fake.states.snapshot().values()]


@pytest.mark.parametrize("running", [False, True])
def test_a_damaged_evicted_stay_blocks_its_partition_alone(running: bool) -> None:
    fake, process = with_evicted_stays()
    snapshot = fake.states.snapshot()
    snapshot[1].stays["p1"] = cut(snapshot[1].stays["p1"])  # p0 has the room of a new owner
    fake.states.restore(snapshot)
    if not running:
        fake.kill(process)
        process = fake.process(max_batch=1)
    n_outputs = len(fake.broker.outputs)
    fake.send([event(p, f"p{p}", 60, values={"heart_rate": 70}) for p in range(3)])
    for _ in range(10):
        process.step()
    (reason,) = process.worker.not_ready
    assert "partition 1: state of a patient: " in reason
    assert "the topic of states has no copy to restore" in reason
    assert [output.partition for output in fake.broker.outputs[n_outputs:]] == [0, 2]
    assert epochs(fake) == [2, 2, 2]


def test_an_evicted_stay_that_is_gone_begins_anew() -> None:
    fake, process = with_evicted_stays()
    snapshot = fake.states.snapshot()
    del snapshot[1].stays["p1"]
    fake.states.restore(snapshot)
    fake.send([event(1, "p1", 60, values={"heart_rate": 71})])
    fake.drain(process)
    assert process.worker.not_ready == []
    assert epochs(fake) == [2, 2, 2]
    other = event(1, "other", 0, values={})  # so that both records have one timestamp
    new = bounded([other, event(1, "p1", 60, values={"heart_rate": 71})])
    new.drain(new.process())
    assert fake.stored_stays()[1]["p1"] == new.stored_stays()[1]["p1"]


def test_events_of_an_evicted_stay_on_another_partition_are_rejected() -> None:
    events = [event(0, f"p{i}", i, values={"heart_rate": 70}) for i in range(6)]
    events += [event(1, "p0", 60, values={"heart_rate": 71})]
    fake = bounded(events)
    fake.drain(fake.process(max_batch=6))
    reasons = [
        dict(output.headers)["reason"]
        for output in fake.broker.outputs
        if output.topic == "vitals.rejected"
    ]
    assert reasons == [b"other_partition"]
    assert_same(fake, reference_run(LIBRARY, events))


def test_evicted_stays_expire_as_others_do() -> None:
    day_ms = DAY_MINUTES * 60_000
    events = [event(0, f"p{i}", i, values={"heart_rate": 70}) for i in range(6)]
    later = [event(0, "q", 40 * DAY_MINUTES, values={"heart_rate": 70})]
    known = []
    for max_stays in (0, 2):
        fake = bounded(events, max_stays)
        process = fake.process()
        fake.drain(process)
        for partition, key, value in later:
            fake.broker.append(partition, key, value, 1_700_000_000_000 + 40 * day_ms)
        fake.drain(process)
        known.append(fake.stored_stays())
        assert len(process.worker.cache.evicted) == 0
    assert known[0] == known[1]
    assert set(known[0][0]) == {"q"}


def test_patients_without_a_stay_are_not_remembered() -> None:
    unknown = [event(0, f"p{i}", i, type="discharge") for i in range(50)]
    fake = bounded([*unknown, event(0, "p", 0, values={"heart_rate": 70})], max_stays=5)
    process = fake.process(max_batch=1)
    fake.drain(process)
    assert len(process.worker.cache) == 1
    assert len(process.worker.cache._recent) <= 2 * 5


def test_a_stay_is_evicted_on_one_partition() -> None:
    evicted = EvictedStays()
    for patient, day in (("a", 1), ("b", 1), ("c", 2)):
        evicted.add(patient, 4, day)
    evicted.add("d", 5, 1)
    assert (len(evicted), evicted.partition_of("a"), evicted.partition_of("x")) == (4, 4, None)
    assert sorted(evicted.days_in(4)) == [1, 2]
    assert sorted(evicted.names(4, [1])) == ["a", "b"]
    for patient in ("a", "b", "x"):
        evicted.remove(patient)
    assert evicted.days_in(4) == [2]
    evicted.clear(4)
    assert (len(evicted), evicted.partition_of("d")) == (1, 5)
