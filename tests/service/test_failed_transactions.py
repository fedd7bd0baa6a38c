"""Transactions that cannot succeed are named, tried now and then, and forgotten when they can."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.core.canary import canary_id
from streamer.ports.log import Interrupted, LogNotAllowed, MembershipLost, NameTaken
from streamer.service import failed_transactions, metrics
from streamer.service.failed_transactions import FailedTransactions
from tests.support.fake_service import (
    TOPICS,
    Event,
    FakeProcess,
    FakeService,
    event,
    library,
    random_log,
    reference_run,
)

LIBRARY, _ = library(5)
WORDS = "InvalidTimestampError: the timestamp of the message is out of range"


class Clock:
    """Seconds that are wound by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failed(clock: Clock) -> FailedTransactions:
    return FailedTransactions(clock)


def is_quiet(failed: FailedTransactions) -> bool:
    return not failed.rests and failed.reason is None


def test_one_failure_is_no_news(failed: FailedTransactions) -> None:
    failed.note(Interrupted(WORDS))
    assert is_quiet(failed)
    failed.clear()
    failed.note(Interrupted(WORDS))
    assert is_quiet(failed)


def test_failures_in_a_row_are_named_and_tried_once_in_ten_seconds(
    failed: FailedTransactions, clock: Clock
) -> None:
    tries = 0
    began = clock.now
    while clock.now < began + 60:
        if not failed.rests:
            tries += 1
            failed.note(Interrupted(WORDS))
        clock.now += 0.2
    assert tries <= 3 + 6
    assert failed.reason == f"no transaction goes through, {tries} in a row have failed: {WORDS}"
    assert metrics.REGISTRY.get_sample_value("vigil_transactions_failed") == tries
    failed.clear()
    assert is_quiet(failed)
    assert metrics.REGISTRY.get_sample_value("vigil_transactions_failed") == 0


def test_a_group_that_moves_on_is_no_failure(failed: FailedTransactions) -> None:
    for _ in range(10):
        failed.note(MembershipLost("the generation is over"))
    assert is_quiet(failed)


def test_of_two_with_one_name_one_ends(clock: Clock) -> None:
    """Each takes the name from the other; the first that has lost it three times gives it up."""
    one, other = FailedTransactions(clock), FailedTransactions(clock)
    lost = 0
    with pytest.raises(NameTaken, match=r"another process works under the same name.*INSTANCE"):
        for _ in range(10):
            for side in (one, other):
                clock.now += 1
                lost += side is other
                side.note(NameTaken("the epoch of the producer is over"))
    assert lost == 2, "the other one has lost it twice, and keeps it"


def test_a_name_that_is_taken_now_and_then_is_a_restart(
    failed: FailedTransactions, clock: Clock
) -> None:
    for _ in range(10):
        clock.now += 31
        failed.note(NameTaken("the epoch of the producer is over"))


def test_a_canary_that_may_not_be_answered_stops_nobody() -> None:
    """One transaction fails; then canaries are left out until the right is there again."""
    fake = FakeService(LIBRARY, n_partitions=1)
    process = fake.process()
    fake.broker.denied = {TOPICS.risk_canary, TOPICS.alerts_canary}
    fake.drain(process)
    process.step()  # the next poll tells
    assert process.worker.not_ready == []
    assert left_out() == 2
    fake.send([*canary(0), event(0, "p", 0, values={"heart_rate": 80})])
    fake.drain(process)
    assert [m["patient_id"] for m in fake.messages("risk")] == ["p"]
    assert not fake.messages(TOPICS.risk_canary)
    fake.broker.denied = set()
    fake.drain(process)
    assert left_out() == 0
    fake.send(canary(1))
    fake.drain(process)
    assert fake.messages(TOPICS.risk_canary)
    fake.broker.denied = {TOPICS.risk_canary}
    fake.send([*canary(2), event(0, "p", 5, values={"heart_rate": 80})])
    failed = metrics.REGISTRY.get_sample_value("vigil_interrupted_total") or 0
    fake.drain(process)
    assert metrics.REGISTRY.get_sample_value("vigil_interrupted_total") == failed + 1
    process.step()
    assert [m["patient_id"] for m in fake.messages("risk")] == ["p", "p"]
    assert left_out() == 1


def canary(k: int) -> list[Event]:
    patient = canary_id("one", 0, k)
    admission: dict[str, Any] = {"type": "admission", "age": 60}
    return [
        event(0, patient, 10 * k, processing="T", **fields)
        for fields in (admission, {"values": {"heart_rate": 70}}, {"type": "discharge"})
    ]


def left_out() -> float | None:
    return metrics.REGISTRY.get_sample_value("vigil_topics_left_out")


def series(name: str, partition: int) -> float | None:
    return metrics.REGISTRY.get_sample_value(f"vigil_lag_{name}", {"partition": str(partition)})


def rounds(process: FakeProcess, n: int = 6) -> None:
    for _ in range(n):
        process.step()


def test_a_service_whose_transactions_fail_says_so_and_shows_its_lag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeService(LIBRARY, n_partitions=2)
    process = fake.process()
    fake.send([event(p, f"p{p}", 0, values={"heart_rate": 80}) for p in (0, 1)])
    fake.drain(process)
    process.log.refusal = Interrupted(WORDS)
    fake.send([event(0, "p0", 5, values={"heart_rate": 80})])
    for n_waiting in (1, 2, 3):
        rounds(process)
        (reason,) = process.worker.health.reasons
        assert reason.kind == "failing"
        assert WORDS in reason.message
        assert series("records", 0) == n_waiting
        fake.send([event(0, "p0", 5 + n_waiting, values={"heart_rate": 80})])
    epochs = fake.states.snapshot()[0].epoch
    rounds(process, 20)
    assert fake.states.snapshot()[0].epoch == epochs, "it is not taken again and again"
    process.log.refusal = None
    monkeypatch.setattr(failed_transactions, "RESTS_S", (0.0, 0.0))
    fake.drain(process)
    assert process.worker.not_ready == []
    assert len(fake.messages("risk")) == 6


def test_a_right_that_is_missing_is_said_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(failed_transactions, "RESTS_S", (0.0, 0.0))
    events = random_log(seed=1)
    expected, fake = reference_run(LIBRARY, events), FakeService(LIBRARY)
    fake.send(events)
    process = fake.process(max_batch=25)
    process.step()
    process.log.allowed = False
    for _ in range(3):
        with pytest.raises(LogNotAllowed, match="does not allow"):
            while True:
                process.worker.step()
    process.log.allowed = True
    fake.drain(process)
    assert fake.outputs_by_patient() == expected.outputs_by_patient()
    assert fake.stored_stays() == expected.stored_stays()
