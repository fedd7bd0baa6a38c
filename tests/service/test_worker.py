from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.ports.log import LogUnavailable, Polled
from streamer.ports.states import StoreUnavailable
from streamer.service import failed_transactions, pending_writes, worker
from streamer.service.lag import Lag
from tests.support.fake_service import (
    Event,
    FakeProcess,
    FakeService,
    Killed,
    answered_log,
    die,
    event,
    library,
    random_log,
    reference_of,
    reference_run,
)
from tests.support.service_chaos import ACTIONS, LAST, POINTS, Chaos

LIBRARY, _ = library(5)


def step_on(process: FakeProcess) -> None:
    """Runs rounds, as many as it takes until what changed in the first is to be saved."""
    for _ in range(5):
        process.tick()
        process.worker.step()


def assert_same(fake: FakeService, expected: FakeService) -> None:
    """The same messages, once each and in order for every patient; the same stays, bit by bit."""
    assert fake.outputs_by_patient() == expected.outputs_by_patient()
    assert fake.stored_stays() == expected.stored_stays()


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return answered_log(LIBRARY, seed=1)


@pytest.fixture(scope="module")
def expected(events: list[Event]) -> FakeService:
    return reference_run(LIBRARY, events)


@pytest.fixture
def fake(events: list[Event]) -> FakeService:
    fake = FakeService(LIBRARY)
    fake.send(events)
    return fake


def test_the_oracle_has_every_kind_of_message(expected: FakeService) -> None:
    topics = {topic for topic, _, _ in expected.outputs_by_patient()}
    assert topics == {"risk", "alerts", "vitals.rejected", "stays", "outcomes"}
    phases = [m["phase"] for m in expected.messages("alerts")]
    assert phases.count("start") == phases.count("acknowledge") >= phases.count("feedback") > 5
    assert len(expected.messages("risk")) > 80
    assert "end" in phases
    assert all(len(stays) == 2 for stays in expected.stored_stays().values())


@pytest.mark.parametrize("max_batch", [1, 7, 40])
def test_batches_of_any_size_give_the_same_messages(
    fake: FakeService, expected: FakeService, max_batch: int
) -> None:
    fake.drain(fake.process(max_batch))
    assert_same(fake, expected)


@pytest.mark.parametrize("batch", range(4))
@pytest.mark.parametrize("point", POINTS)
def test_killed_between_two_effects(
    fake: FakeService, expected: FakeService, point: str, batch: int
) -> None:
    first = fake.process(max_batch=20)
    first.step()
    for _ in range(batch):
        first.step()
    first.at[point] = die
    with pytest.raises(Killed):
        fake.drain(first)
    fake.kill(first)
    fake.drain(fake.process(max_batch=33))
    assert_same(fake, expected)


def test_killed_in_the_first_batch_of_a_stay_longer_than_a_rebuild(
    events: list[Event], expected: FakeService
) -> None:
    fake = FakeService(LIBRARY, rebuild_ms=0)
    fake.send(events)
    first = fake.process(max_batch=20)
    first.at["after_transaction"] = die
    with pytest.raises(Killed):
        fake.drain(first)
    fake.kill(first)
    fake.drain(fake.process())
    assert_same(fake, expected)


def test_killed_again_while_it_replays(fake: FakeService, expected: FakeService) -> None:
    first = fake.process(max_batch=60)
    first.at["after_transaction"] = die
    with pytest.raises(Killed):
        fake.drain(first)
    fake.kill(first)
    for point in POINTS:  # each gets a little further into what is replayed
        again = fake.process(max_batch=10)
        again.at[point] = die
        with pytest.raises(Killed):
            fake.drain(again)
        fake.kill(again)
    fake.drain(fake.process(max_batch=10))
    assert_same(fake, expected)


@pytest.mark.parametrize("knob", ["refuse_next", "lose_next_answer"])
def test_a_transaction_of_unknown_end(
    fake: FakeService, expected: FakeService, knob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_transactions, "RESTS_S", (0.0, 0.0))
    process = fake.process(max_batch=25)
    for _ in range(4):
        setattr(process.log, knob, True)
        process.step()
        process.step()
    fake.drain(process)
    assert_same(fake, expected)


@pytest.mark.parametrize("point", POINTS[:2])
def test_a_worker_that_was_paused_is_refused(
    fake: FakeService, expected: FakeService, point: str
) -> None:
    """It wakes up with a batch in its hands, after another has taken its partitions and more."""
    zombie = fake.process(max_batch=30)
    zombie.step()
    zombie.step()
    other = fake.process(max_batch=20)

    def sleep() -> None:
        fake.broker.expel(zombie.log)
        for _ in range(3):
            other.step()

    zombie.at[point] = sleep
    fake.broker.expel(other.log)  # it joins when the zombie sleeps
    fake.drain(zombie, other)
    assert point not in zombie.at
    assert_same(fake, expected)


def test_two_workers_share_and_one_leaves(fake: FakeService, expected: FakeService) -> None:
    first = fake.process(max_batch=11)
    first.step()
    first.step()
    second = fake.process(max_batch=13)
    for _ in range(2):
        first.step()
        second.step()
    first.worker.close()
    fake.drain(second)
    assert_same(fake, expected)


def test_an_outage_of_the_store_stops_reading_and_loses_nothing(
    fake: FakeService, expected: FakeService
) -> None:
    process = fake.process(max_batch=5)
    process.step()
    process.step()
    fake.states.available = False
    with pytest.raises(StoreUnavailable):  # when what is unsaved must not wait any longer
        step_on(process)
    committed = dict(fake.broker.committed)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            process.worker.step()
    assert fake.broker.committed == committed
    assert fake.broker.owned_by(process.log) == {0, 1, 2}
    fake.states.available = True
    fake.drain(process)
    assert_same(fake, expected)


def test_an_outage_at_the_start(fake: FakeService, expected: FakeService) -> None:
    process = fake.process(max_batch=20)
    fake.states.available = False
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            process.worker.step()
    assert not fake.broker.outputs
    fake.states.available = True
    fake.drain(process)
    assert_same(fake, expected)


def test_an_outage_while_partitions_move(fake: FakeService, expected: FakeService) -> None:
    first = fake.process(max_batch=20)
    first.step()
    first.step()
    fake.states.available = False
    first.step()
    second = fake.process(max_batch=20)
    for _ in range(3):
        first.step()
        second.step()
    fake.states.available = True
    fake.drain(first, second)
    assert_same(fake, expected)


def test_a_save_whose_answer_was_lost_is_sent_again(
    fake: FakeService, expected: FakeService
) -> None:
    process = fake.process(max_batch=5)
    process.step()
    fake.states.lose_next_answer = True
    with pytest.raises(StoreUnavailable):
        step_on(process)
    fake.drain(process)
    assert_same(fake, expected)


def test_a_log_that_does_not_answer_is_asked_again(
    fake: FakeService, expected: FakeService
) -> None:
    process = fake.process(max_batch=20)
    process.step()
    process.step()
    process.log.available = False
    with pytest.raises(LogUnavailable):
        process.worker.step()
    process.log.available = True
    process.at["before_transaction"] = lambda: setattr(process.log, "available", False)
    process.worker.step()
    with pytest.raises(LogUnavailable):
        process.worker.step()
    process.log.available = True
    fake.drain(process)
    assert_same(fake, expected)


@pytest.mark.parametrize("killed", [False, True])
def test_states_that_were_wiped_are_rebuilt_in_silence(
    fake: FakeService, expected: FakeService, killed: bool
) -> None:
    process = fake.process(max_batch=20)
    for _ in range(4):
        process.step()
    fake.states.wipe()
    if killed:
        fake.kill(process)
        process = fake.process(max_batch=20)
    fake.drain(process)
    assert_same(fake, expected)


def test_states_that_were_set_back_are_replayed(
    fake: FakeService, expected: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_writes, "CONFIRM_S", -1.0)
    process = fake.process(max_batch=20)
    for _ in range(3):
        process.step()
    older = fake.states.snapshot()
    for _ in range(2):
        process.step()
    fake.states.restore(older)
    fake.drain(process)
    assert_same(fake, expected)


def test_readiness_says_what_is_waited_for(fake: FakeService) -> None:
    process = fake.process(max_batch=30)
    assert process.worker.not_ready == ["waiting for the first assignment"]
    fake.drain(process)
    assert process.worker.not_ready == []
    fake.states.wipe()
    fake.kill(process)
    again = fake.process(max_batch=30)
    again.step()
    assert any("rebuilding" in reason for reason in again.worker.not_ready)
    fake.send([event(0, "p0", 9_000, values={"heart_rate": 70})])
    fake.drain(again)
    assert again.worker.not_ready == []


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(1, 8),
    max_batch=st.integers(1, 40),
    save_s=st.sampled_from([0, 3, 1_000]),
    happenings=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1), st.integers(1, 4)), max_size=14
    ),
)
def test_any_sequence_of_faults_gives_the_same_messages_and_stays(
    seed: int, max_batch: int, save_s: float, happenings: list[tuple[str, int, int]]
) -> None:
    fake = FakeService(LIBRARY, save_s=save_s)
    fake.send(random_log(seed, n_events=90))
    chaos = Chaos(fake, max_batch)
    chaos.go_through(happenings)
    chaos.finish()
    assert_same(fake, reference_of(LIBRARY, seed, 90, last=tuple(LAST)))


class Outage(threading.Event):
    """The log goes away at its second poll; three polls after it is back bring nothing yet.

    A poll takes four seconds, the outage a hundred.
    """

    def __init__(self, process: FakeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._log, self._poll, self._n_polls, self._now = process.log, process.log.poll, 0, 0.0
        monkeypatch.setattr(self._log, "poll", self._slow)
        monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: self._now))
        monkeypatch.setattr(process.worker, "_lag", Lag(monotonic=lambda: self._now))

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        self._now += 100
        return False

    def _slow(self, timeout_s: float) -> Polled:
        self._n_polls += 1
        self._now += 4
        self._log.available = self._n_polls != 2
        return Polled([], []) if self._n_polls in (3, 4, 5) else self._poll(timeout_s)


def test_one_that_ends_when_idle_reads_first_what_came_during_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeService(LIBRARY)
    process = fake.process()
    fake.send([event(0, "p", 0, values={"heart_rate": 70})])
    fake.drain(process)
    outage = Outage(process, monkeypatch)
    process.worker.step()
    fake.send([event(0, "p", 1, values={"heart_rate": 71})])
    process.worker.run(outage, exit_when_idle_s=10)
    assert fake.finished()
