"""Pending writes are confirmed: an idle worker notices what became of its states."""

from __future__ import annotations

import pytest

from streamer.ports.states import StoreUnavailable
from streamer.service import pending_writes
from tests.service.test_worker import LAST, LIBRARY, assert_same
from tests.support.fake_service import Process, Twins, invented_log, oracle

EVENTS = invented_log(seed=1)


@pytest.fixture(scope="module")
def expected() -> Twins:
    return oracle(LIBRARY, EVENTS)


@pytest.fixture
def twins() -> Twins:
    twins = Twins(LIBRARY)
    twins.send(EVENTS)
    return twins


def idle(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> Process:
    """A worker that has done all there was, and looks at the store in each round from now on."""
    process = twins.process(max_batch=20)
    twins.drain(process)
    monkeypatch.setattr(pending_writes, "CONFIRM_S", -1.0)
    return process


def test_an_idle_worker_notices_that_states_were_wiped(
    twins: Twins, expected: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = idle(twins, monkeypatch)
    twins.states.wipe()
    twins.drain(process)
    assert_same(twins, expected)


def test_an_idle_worker_notices_that_states_were_set_back(
    twins: Twins, expected: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = twins.process(max_batch=20)
    first.step()
    first.step()
    older = twins.states.snapshot()
    twins.kill(first)
    process = idle(twins, monkeypatch)
    twins.states.restore(older)
    twins.drain(process)
    assert_same(twins, expected)


def test_an_idle_worker_notices_that_another_has_taken_its_states(
    twins: Twins, expected: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = idle(twins, monkeypatch)
    taken = twins.states.take(1)
    twins.drain(process)
    for _ in range(2):
        process.step()
    assert twins.states.take(1).epoch > taken.epoch + 1, "it has taken the partition again"
    assert_same(twins, expected)


def test_an_idle_worker_says_that_the_store_is_away(
    twins: Twins, expected: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = idle(twins, monkeypatch)
    twins.states.available = False
    with pytest.raises(StoreUnavailable):
        process.worker.step()
    twins.states.available = True
    twins.send(LAST)
    twins.drain(process)
    assert twins.known() != expected.known()
    assert process.worker.not_ready == []
