from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from tests.support.fake_service import (
    Event,
    Killed,
    Process,
    Twins,
    event,
    invented_log,
    library,
    oracle,
)

LIBRARY, _ = library(5)
POINTS = ("before_transaction", "after_transaction", "after_save")


def die() -> None:
    raise Killed


def assert_same(twins: Twins, expected: Twins) -> None:
    """The same messages, once each and in order for every patient; the same stays, bit by bit."""
    assert twins.said() == expected.said()
    assert twins.known() == expected.known()


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return invented_log(seed=1)


@pytest.fixture(scope="module")
def expected(events: list[Event]) -> Twins:
    return oracle(LIBRARY, events)


@pytest.fixture
def twins(events: list[Event]) -> Twins:
    twins = Twins(LIBRARY)
    twins.send(events)
    return twins


def test_the_oracle_has_every_kind_of_message(expected: Twins) -> None:
    topics = {topic for topic, _, _ in expected.said()}
    assert topics == {"risk", "alerts", "vitals.rejected"}
    assert len(expected.messages("risk")) > 80
    assert {m["phase"] for m in expected.messages("alerts")} >= {"start", "end"}
    assert all(len(stays) == 2 for stays in expected.known().values())


@pytest.mark.parametrize("max_batch", [1, 7, 40])
def test_batches_of_any_size_give_the_same_messages(
    twins: Twins, expected: Twins, max_batch: int
) -> None:
    twins.drain(twins.process(max_batch))
    assert_same(twins, expected)


@pytest.mark.parametrize("batch", range(4))
@pytest.mark.parametrize("point", POINTS)
def test_killed_between_two_effects(twins: Twins, expected: Twins, point: str, batch: int) -> None:
    first = twins.process(max_batch=20)
    first.step()
    for _ in range(batch):
        first.step()
    first.at[point] = die
    with pytest.raises(Killed):
        first.step()
    twins.kill(first)
    twins.drain(twins.process(max_batch=33))
    assert_same(twins, expected)


def test_killed_in_the_first_batch_of_a_stay_longer_than_a_rebuild(
    events: list[Event], expected: Twins
) -> None:
    twins = Twins(LIBRARY, rebuild_ms=0)
    twins.send(events)
    first = twins.process(max_batch=20)
    first.at["after_transaction"] = die
    with pytest.raises(Killed):
        twins.drain(first)
    twins.kill(first)
    twins.drain(twins.process())
    assert_same(twins, expected)


def test_killed_again_while_it_replays(twins: Twins, expected: Twins) -> None:
    first = twins.process(max_batch=60)
    first.at["after_transaction"] = die
    with pytest.raises(Killed):
        twins.drain(first)
    twins.kill(first)
    for point in POINTS:  # each gets a little further into what is replayed
        again = twins.process(max_batch=10)
        again.at[point] = die
        with pytest.raises(Killed):
            twins.drain(again)
        twins.kill(again)
    twins.drain(twins.process(max_batch=10))
    assert_same(twins, expected)


@pytest.mark.parametrize("knob", ["refuse_next", "lose_next_answer"])
def test_a_transaction_of_unknown_end(twins: Twins, expected: Twins, knob: str) -> None:
    process = twins.process(max_batch=25)
    for _ in range(4):
        setattr(process.log, knob, True)
        process.step()
        process.step()
    twins.drain(process)
    assert_same(twins, expected)


@pytest.mark.parametrize("point", POINTS[:2])
def test_a_worker_that_was_paused_is_refused(twins: Twins, expected: Twins, point: str) -> None:
    """It wakes up with a batch in its hands, after another has taken its partitions and more."""
    zombie = twins.process(max_batch=30)
    zombie.step()
    zombie.step()
    other = twins.process(max_batch=20)

    def sleep() -> None:
        twins.broker.expel(zombie.log)
        for _ in range(3):
            other.step()

    zombie.at[point] = sleep
    twins.broker.expel(other.log)  # it joins when the zombie sleeps
    twins.drain(zombie, other)
    assert point not in zombie.at
    assert_same(twins, expected)


def test_two_workers_share_and_one_leaves(twins: Twins, expected: Twins) -> None:
    first = twins.process(max_batch=11)
    first.step()
    first.step()
    second = twins.process(max_batch=13)
    for _ in range(2):
        first.step()
        second.step()
    first.worker.close()
    twins.drain(second)
    assert_same(twins, expected)


def test_an_outage_of_the_store_stops_reading_and_loses_nothing(
    twins: Twins, expected: Twins
) -> None:
    process = twins.process(max_batch=20)
    process.step()
    process.step()
    twins.states.available = False
    with pytest.raises(StoreUnavailable):
        process.worker.step()
    committed = dict(twins.broker.committed)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            process.worker.step()
    assert twins.broker.committed == committed
    assert twins.broker.owned_by(process.log) == {0, 1, 2}
    twins.states.available = True
    twins.drain(process)
    assert_same(twins, expected)


def test_an_outage_at_the_start(twins: Twins, expected: Twins) -> None:
    process = twins.process(max_batch=20)
    twins.states.available = False
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            process.worker.step()
    assert not twins.broker.outputs
    twins.states.available = True
    twins.drain(process)
    assert_same(twins, expected)


def test_an_outage_while_partitions_move(twins: Twins, expected: Twins) -> None:
    first = twins.process(max_batch=20)
    first.step()
    first.step()
    twins.states.available = False
    first.step()
    second = twins.process(max_batch=20)
    for _ in range(3):
        first.step()
        second.step()
    twins.states.available = True
    twins.drain(first, second)
    assert_same(twins, expected)


def test_a_save_whose_answer_was_lost_is_sent_again(twins: Twins, expected: Twins) -> None:
    process = twins.process(max_batch=20)
    process.step()
    twins.states.lose_next_answer = True
    with pytest.raises(StoreUnavailable):
        process.worker.step()
    twins.drain(process)
    assert_same(twins, expected)


def test_a_log_that_does_not_answer_is_asked_again(twins: Twins, expected: Twins) -> None:
    process = twins.process(max_batch=20)
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
    twins.drain(process)
    assert_same(twins, expected)


@pytest.mark.parametrize("killed", [False, True])
def test_states_that_were_wiped_are_rebuilt_in_silence(
    twins: Twins, expected: Twins, killed: bool
) -> None:
    process = twins.process(max_batch=20)
    for _ in range(4):
        process.step()
    twins.states.wipe()
    if killed:
        twins.kill(process)
        process = twins.process(max_batch=20)
    twins.drain(process)
    assert_same(twins, expected)


def test_states_that_were_set_back_are_replayed(twins: Twins, expected: Twins) -> None:
    process = twins.process(max_batch=20)
    for _ in range(3):
        process.step()
    older = twins.states.snapshot()
    for _ in range(2):
        process.step()
    twins.states.restore(older)
    twins.drain(process)
    assert_same(twins, expected)


def test_readiness_says_what_is_waited_for(twins: Twins) -> None:
    process = twins.process(max_batch=30)
    assert process.worker.not_ready == ["waiting for the first assignment"]
    twins.drain(process)
    assert process.worker.not_ready == []
    twins.states.wipe()
    twins.kill(process)
    again = twins.process(max_batch=30)
    again.step()
    assert any("rebuilding" in reason for reason in again.worker.not_ready)
    twins.send([event(0, "p0", 9_000, values={"heart_rate": 70})])
    twins.drain(again)
    assert again.worker.not_ready == []


ACTIONS = (
    *(f"kill {point}" for point in POINTS),
    *(f"pause {point}" for point in POINTS[:2]),
    "refuse",
    "lose answer",
    "lose save",
    "store",
    "log",
    "wipe",
    "snapshot",
    "restore",
    "join",
    "leave",
)


LAST = [event(p, f"p{p}", 50_000, values={"heart_rate": 70}) for p in range(3)]


class Chaos:
    """Up to two workers, to whom things happen between their steps."""

    def __init__(self, twins: Twins, max_batch: int) -> None:
        self.twins = twins
        self.max_batch = max_batch
        self.alive = [twins.process(max_batch)]
        self.older = twins.states.snapshot()

    def act(self, action: str, who: int) -> None:
        process = self.alive[who % len(self.alive)]
        verb, _, point = action.partition(" ")
        match verb:
            case "kill":
                process.at[point] = die
            case "pause":
                process.at[point] = lambda: self._pass_over(process)
            case "refuse":
                process.log.refuse_next = True
            case "lose" if point == "answer":
                process.log.lose_next_answer = True
            case "lose":
                self.twins.states.lose_next_answer = True
            case "store":
                self.twins.states.available ^= True
            case "log":
                process.log.available ^= True
            case "wipe":
                self.twins.states.wipe()
            case "snapshot":
                self.older = self.twins.states.snapshot()
            case "restore":
                self.twins.states.restore(self.older)
            case "join" if len(self.alive) < 2:
                self.alive.append(self.twins.process(self.max_batch))
            case "leave" if len(self.alive) == 2:
                process.worker.close()
                self.alive.remove(process)

    def step(self, who: int) -> None:
        process = self.alive[who % len(self.alive)]
        try:
            process.step()
        except Killed:
            self.twins.kill(process)
            self.alive[self.alive.index(process)] = self.twins.process(self.max_batch)

    def finish(self) -> None:
        """Everything answers again, and the last events show what was lost while nothing came."""
        self.twins.send(LAST)
        self.twins.states.available = True
        for process in self.alive:
            process.log.available = True
            process.at.clear()
        self.twins.drain(*self.alive)

    def _pass_over(self, sleeper: Process) -> None:
        self.twins.broker.expel(sleeper.log)
        for process in self.alive:
            if process is not sleeper and process.log in self.twins.broker.members:
                process.at.clear()
                process.step()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    max_batch=st.integers(1, 40),
    happenings=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1), st.integers(1, 4)), max_size=14
    ),
)
def test_any_sequence_of_faults_gives_the_same_messages_and_stays(
    seed: int, max_batch: int, happenings: list[tuple[str, int, int]]
) -> None:
    events = invented_log(seed, n_events=90)
    twins = Twins(LIBRARY)
    twins.send(events)
    chaos = Chaos(twins, max_batch)
    for action, who, n_steps in happenings:
        chaos.act(action, who)
        for turn in range(n_steps):
            chaos.step(who + turn)
    chaos.finish()
    assert_same(twins, oracle(LIBRARY, [*events, *LAST]))
