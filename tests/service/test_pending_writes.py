"""Pending writes are confirmed: an idle worker notices what became of its states."""

from __future__ import annotations

import pytest

from streamer.ports.states import StoreUnavailable
from streamer.service import pending_writes
from tests.service.test_worker import LIBRARY, assert_same
from tests.support.fake_service import FakeProcess, FakeService, random_log, reference_run
from tests.support.service_chaos import LAST

EVENTS = random_log(seed=1)


@pytest.fixture(scope="module")
def expected() -> FakeService:
    return reference_run(LIBRARY, EVENTS)


@pytest.fixture
def fake() -> FakeService:
    fake = FakeService(LIBRARY)
    fake.send(EVENTS)
    return fake


def idle(fake: FakeService, monkeypatch: pytest.MonkeyPatch) -> FakeProcess:
    """A worker that has done all there was, and looks at the store in each round from now on."""
    process = fake.process(max_batch=20)
    fake.drain(process)
    monkeypatch.setattr(pending_writes, "CONFIRM_S", -1.0)
    return process


def test_an_idle_worker_notices_that_states_were_wiped(
    fake: FakeService, expected: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = idle(fake, monkeypatch)
    fake.states.wipe()
    fake.drain(process)
    assert_same(fake, expected)


def test_an_idle_worker_notices_that_states_were_set_back(
    fake: FakeService, expected: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fake.process(max_batch=20)
    first.step()
    first.step()
    older = fake.states.snapshot()
    fake.kill(first)
    process = idle(fake, monkeypatch)
    fake.states.restore(older)
    fake.drain(process)
    assert_same(fake, expected)


def test_an_idle_worker_notices_that_another_has_taken_its_states(
    fake: FakeService, expected: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = idle(fake, monkeypatch)
    taken = fake.states.take(1)
    fake.drain(process)
    for _ in range(2):
        process.step()
    assert fake.states.take(1).epoch > taken.epoch + 1, "it has taken the partition again"
    assert_same(fake, expected)


def test_an_idle_worker_says_that_the_store_is_away(
    fake: FakeService, expected: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = idle(fake, monkeypatch)
    fake.states.available = False
    with pytest.raises(StoreUnavailable):
        process.worker.step()
    fake.states.available = True
    fake.send(LAST)
    fake.drain(process)
    assert fake.stored_stays() != expected.stored_stays()
    assert process.worker.not_ready == []
