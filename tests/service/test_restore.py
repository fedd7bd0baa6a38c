"""A store that was lost is restored from the topic of states, though the log has no history."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from streamer.core import codec
from streamer.core.codec import Era
from streamer.ports.log import LogUnavailable
from streamer.service import ownership
from streamer.service.restore import Restore
from streamer.service.state_records import OF_NO_STAY, Snapshot
from tests.service.test_eviction import cut
from tests.service.test_worker import LIBRARY, assert_same
from tests.support.fake_service import (
    TOPICS,
    Event,
    FakeProcess,
    FakeService,
    Killed,
    die,
    event,
    library,
    random_log,
    reference_of,
    reference_run,
)
from tests.support.service_chaos import ACTIONS, LAST, POINTS, Chaos
from tests.support.small_models import random_bundle

EVENTS = random_log(seed=1)


def service(events: list[Event], states_s: float = 4, **options: Any) -> FakeService:
    fake = FakeService(LIBRARY, **options)
    fake.states_s = states_s
    fake.send(events)
    return fake


def snapshot(fake: FakeService, partition: int) -> Snapshot:
    """What the topic of states has of a partition."""
    known = Snapshot(None, {})
    for page in fake.state_topic.read(partition):
        for record in page:
            known.add(record, fake.broker.topic_id)
    return known


def lose_store(fake: FakeService) -> bool:
    """Wipes the store, and the log where the topic has every change; whether it has a mark."""
    fake.states.wipe()
    marks = {p: snapshot(fake, p).mark for p in range(len(fake.broker.partitions))}
    for number, mark in marks.items():
        if mark is not None:
            fake.broker.first[number] = mark.since
    return all(marks.values())


def steps(process: FakeProcess, n: int) -> None:
    for _ in range(n):
        process.step()


@pytest.fixture(scope="module")
def expected() -> FakeService:
    return reference_run(LIBRARY, EVENTS)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("max_stays", [0, 1])
def test_a_lost_store_is_restored_without_the_history_of_the_log(
    expected: FakeService, killed: bool, max_stays: int
) -> None:
    fake = service(EVENTS, max_stays=max_stays)
    process = fake.process(max_batch=10)
    steps(process, 11)
    assert lose_store(fake), "without a mark this test shows nothing"
    assert sum(map(bool, fake.broker.first)) >= 2, "the log still has its history"
    if killed:
        fake.kill(process)
        process = fake.process(max_batch=7)
    fake.drain(process)
    assert_same(fake, expected)


@pytest.mark.parametrize(
    ("point", "later"),
    [("after_take", 0), *((point, later) for point in POINTS for later in (0, 2))],
)
def test_killed_in_a_restore(expected: FakeService, point: str, later: int) -> None:
    fake = service(EVENTS)
    process = fake.process(max_batch=10)
    steps(process, 11)
    assert lose_store(fake)
    fake.kill(process)
    process = fake.process(max_batch=2)
    steps(process, later)
    process.at[point] = die
    with pytest.raises(Killed):
        fake.drain(process)
    fake.kill(process)
    fake.drain(fake.process(max_batch=5))
    assert_same(fake, expected)


def test_the_topic_ends_up_with_all_stays_as_they_are() -> None:
    fake = service(EVENTS)
    process = fake.process(max_batch=10)
    fake.drain(process)
    steps(process, 10)
    for number, stays in fake.stored_stays().items():
        known = snapshot(fake, number)
        assert known.mark is not None
        assert known.mark.since == len(fake.broker.partitions[number])
        assert {p: stay for p, (_, stay) in known.stays.items()} == stays
    n_outputs = len(fake.broker.outputs)
    steps(process, 20)
    assert len(fake.broker.outputs) == n_outputs, "what did not change is not sent again"


def test_a_changed_stay_goes_out_once_a_round_and_all_are_spread_over_it() -> None:
    n_rounds, states_s = 5, 50
    patients = [f"p{i}" for i in range(40)]
    fake = service([], states_s=states_s, n_partitions=1)
    process = fake.process()
    per_step: list[int] = []
    for second in range(n_rounds * states_s):
        fake.send([event(0, p, second / 60, values={"heart_rate": 70}) for p in patients])
        before = len(fake.broker.outputs)
        process.step()
        sent = [o for o in fake.broker.outputs[before:] if o.topic == TOPICS.states]
        per_step.append(sum(not (output.key or b"").startswith(OF_NO_STAY) for output in sent))
    of_rounds = per_step[states_s:]  # the first round begins when the partition is taken
    assert sum(of_rounds) == (n_rounds - 1) * len(patients)
    assert max(of_rounds) < len(patients) / 4


def test_events_that_are_gone_unseen_end_no_stay_once_the_way_out_is_taken() -> None:
    fake = service(EVENTS)
    process = fake.process(max_batch=10)
    fake.drain(process)
    steps(process, 10)
    before = fake.stored_stays()[0]
    fake.kill(process)
    fake.send([event(0, "late", 9_000 + i, values={"heart_rate": 70}) for i in range(3)])
    fake.broker.first[0] = len(fake.broker.partitions[0]) - 1
    process = fake.process()
    steps(process, 3)
    (reason,) = process.worker.not_ready
    assert "Delete the partition's hash in Redis: its stays are restored" in reason
    fake.kill(process)
    fake.states.wipe()
    fake.drain(fake.process())
    after = fake.stored_stays()[0]
    assert {patient: after[patient] for patient in before} == before
    assert "late" in after


def test_a_stay_that_ends_is_a_tombstone_in_the_transaction_that_ends_it() -> None:
    day_ms = 24 * 60 * 60_000
    fake = service([event(0, "p", 0, values={"heart_rate": 70})], states_s=1_000, n_partitions=1)
    process = fake.process()
    fake.drain(process)
    _, key, value = event(0, "q", 40 * 24 * 60, values={"heart_rate": 70})
    fake.broker.append(0, key, value, 1_700_000_000_000 + 40 * day_ms)
    process.step()
    known = snapshot(fake, 0)
    assert known.stays["p"] == (2, None)
    assert fake.broker.committed[0] == 2


def test_a_new_owner_writes_no_mark_before_it_has_sent_everything() -> None:
    fake = service(EVENTS, states_s=30)
    process = fake.process(max_batch=10)
    steps(process, 6)
    fake.kill(process)
    before = snapshot(fake, 0).mark
    fake.drain(process := fake.process(max_batch=10))
    assert snapshot(fake, 0).mark == before
    steps(process, 40)
    assert snapshot(fake, 0).mark != before


def test_without_a_mark_states_are_rebuilt_from_the_log(expected: FakeService) -> None:
    fake = service(EVENTS, states_s=1_000)
    process = fake.process(max_batch=10)
    steps(process, 8)
    assert not lose_store(fake)
    fake.drain(process)
    assert_same(fake, expected)


def test_a_topic_ahead_of_the_committed_offsets_is_not_used() -> None:
    fake = service([event(0, "p", m, values={"heart_rate": 70}) for m in range(8)], n_partitions=1)
    process = fake.process(max_batch=1)
    fake.drain(process)
    steps(process, 10)
    fake.kill(process)
    fake.states.wipe()
    fake.broker.committed[0] = 3
    fake.drain(fake.process(max_batch=1))
    offsets = [m["offset"] for m in fake.messages("risk")]
    assert offsets == [*range(8), *range(3, 8)]


def test_records_of_another_topic_are_passed_over() -> None:
    fake = service([event(0, "old", m, values={"heart_rate": 70}) for m in range(8)])
    process = fake.process(max_batch=1)
    fake.drain(process)
    steps(process, 10)
    assert snapshot(fake, 0).stays.keys() == {"old"}
    fake.broker.recreate()
    assert snapshot(fake, 0).stays == {}
    assert snapshot(fake, 0).mark is None
    with capture_logs() as logged:
        Restore(fake.state_topic, fake.states).snapshot(0, fake.broker.topic_id, 8)
    assert "of another input topic" in logged[0]["reason"]


@pytest.mark.parametrize("running", [False, True])
def test_stays_that_cannot_be_read_are_restored(running: bool) -> None:
    """One with changed bytes, and one of a layout that this program does not know."""
    fake = service(EVENTS, max_stays=2)
    process = fake.process(max_batch=10)
    steps(process, 12)
    if not running:
        fake.kill(process)
    stored = fake.states.snapshot()
    for number, change in ((0, lambda stay: stay[:-1]), (1, cut)):
        for patient, stay in stored[number].stays.items():
            stored[number].stays[patient] = change(stay)
    fake.states.restore(stored)
    if not running:
        process = fake.process(max_batch=10)
    fake.send([event(i % 3, f"p{i}", 9_000, values={"heart_rate": 70}) for i in range(6)])
    fake.drain(process)
    more = [event(i % 3, f"p{i}", 9_000, values={"heart_rate": 70}) for i in range(6)]
    assert_same(fake, reference_run(LIBRARY, [*EVENTS, *more]))


def test_a_restore_waits_for_a_topic_that_cannot_be_read(expected: FakeService) -> None:
    fake = service(EVENTS)
    process = fake.process(max_batch=10)
    steps(process, 11)
    assert lose_store(fake)
    fake.kill(process)
    process = fake.process(max_batch=10)
    fake.state_topic.available = False
    before = len(fake.messages("risk"))
    steps(process, 3)
    assert len(fake.messages("risk")) == before
    fake.state_topic.available = True
    for untaken in process.worker._ownership.untaken.values():
        untaken.retry_at = 0
    fake.drain(process)
    assert_same(fake, expected)


def test_a_swap_leaves_nothing_that_the_next_model_would_replay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamer.service.model_swap.REFRESH_S", -1.0)
    outcomes = []
    for loses in (False, True):
        models, channel = library(5)
        fake = FakeService(models)
        fake.states_s = 6
        fake.send(EVENTS[:100])
        process = fake.process(max_batch=10)
        steps(process, 11)
        bundle = random_bundle(6)
        channel.publish(bundle.model_id, bundle.to_bytes(), 1)
        process.step()
        mark = snapshot(fake, 0).mark
        assert mark is not None
        assert mark.era == Era(bundle.model_id, 1)
        if loses:
            assert lose_store(fake)
        fake.send(EVENTS[100:])
        fake.drain(process)
        outcomes.append(fake)
    assert_same(outcomes[1], outcomes[0])


def test_a_stay_that_cannot_be_encoded_is_sent_when_it_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encode, fails = codec.encode, [True]

    def failing(table: Any, slots: Any, era: Any) -> list[bytes]:
        if fails[0] and len(slots):
            raise ValueError
        return encode(table, slots, era)

    fake = service([event(0, "p", m, values={"heart_rate": 70}) for m in range(9)], save_s=1_000)
    process = fake.process(max_batch=1)
    monkeypatch.setattr(codec, "encode", failing)
    steps(process, 8)
    assert snapshot(fake, 0).stays == {}
    fails[0] = False
    fake.drain(process)
    steps(process, 10)
    assert snapshot(fake, 0).stays["p"][1] == fake.stored_stays()[0]["p"]


def test_a_log_that_does_not_answer_is_no_loss(expected: FakeService) -> None:
    fake = service(EVENTS)
    process = fake.process(max_batch=10)
    steps(process, 11)
    assert lose_store(fake)
    process.log.available = False
    with pytest.raises(LogUnavailable):
        process.worker.step()
    process.log.available = True
    fake.drain(process)
    assert_same(fake, expected)


class LosingChaos(Chaos):
    """A store that is wiped takes the log before the marks with it."""

    def act(self, action: str, who: int) -> None:
        if action == "wipe":
            lose_store(self.fake)
        elif action not in {"restore", "snapshot"}:  # an older store needs the log before the marks
            super().act(action, who)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(1, 8),
    max_batch=st.integers(1, 20),
    save_s=st.sampled_from([0, 3, 1_000]),
    states_s=st.sampled_from([1, 3, 8]),
    max_stays=st.sampled_from([0, 1, 3]),
    happenings=st.lists(
        st.tuples(st.sampled_from((*ACTIONS, *["wipe"] * 6)), st.integers(0, 1), st.integers(1, 8)),
        min_size=2,
        max_size=14,
    ),
)
def test_any_sequence_of_faults_and_losses_gives_the_same_messages_and_stays(
    seed: int,
    max_batch: int,
    save_s: float,
    states_s: float,
    max_stays: int,
    happenings: list[tuple[str, int, int]],
) -> None:
    events = random_log(seed, n_events=120)
    fake = service(events, states_s, save_s=save_s, max_stays=max_stays)
    chaos = LosingChaos(fake, max_batch)
    chaos.go_through(happenings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ownership, "RETRY_UNTAKEN_S", 0.0)
        chaos.finish()
    assert_same(fake, reference_of(LIBRARY, seed, 120, last=tuple(LAST)))
