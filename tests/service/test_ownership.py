from __future__ import annotations

import re
import time
from collections.abc import Sequence
from unittest.mock import ANY

import pytest

from streamer.ports.log import LogUnavailable
from streamer.ports.states import StateWrite, StoreUnavailable
from streamer.service import metrics, ownership
from tests.support.fake_service import (
    FakeService,
    Killed,
    event,
    library,
    random_log,
    stays_in,
)
from tests.support.wait import wait_until

LIBRARY, _ = library(5)


def die() -> None:
    raise Killed


def drained() -> FakeService:
    fake = FakeService(LIBRARY, n_partitions=2)
    fake.send(random_log(3, n_events=60, n_partitions=2))
    process = fake.process()
    fake.drain(process)
    fake.kill(process)
    return fake


def test_a_refused_partition_stands_still_and_the_others_go_on() -> None:
    fake = drained()
    fake.broker.committed[0] -= 1
    n_outputs = len(fake.broker.outputs)
    states = stays_in(fake.states, 0)
    fake.send([event(p, f"p{p}", 9_000, values={"heart_rate": 70}) for p in (0, 1)])
    process = fake.process()
    for _ in range(4):
        process.step()
    (reason,) = process.worker.not_ready
    assert reason.startswith("partition 0: the states are ahead of the log")
    assert {output.partition for output in fake.broker.outputs[n_outputs:]} == {1}
    assert stays_in(fake.states, 0) == states


def test_states_of_a_model_that_is_gone_are_refused_while_its_messages_are_ahead() -> None:
    """The events between states and messages can be stepped by the old weights alone."""
    fake = drained()
    events = [event(p, f"p{p}", 9_000, values={"heart_rate": 70}) for p in (0, 1)]
    fake.send(events)
    process = fake.process()
    process.at["after_transaction"] = die
    with pytest.raises(Killed):
        fake.drain(process)
    fake.kill(process)
    fake.library, _ = library(6)
    process = fake.process()
    process.step()
    reasons = process.worker.not_ready
    assert len(reasons) == 2
    assert all("which is not published any more" in reason for reason in reasons)


def test_where_all_messages_are_out_a_new_model_needs_no_old_one() -> None:
    """Five publications while nothing ran, or an upgrade with another shipped model."""
    later = [event(p, f"p{p}", 9_000, values={"heart_rate": 70}) for p in (0, 1)]
    seen, gone = drained(), drained()
    seen.library, _ = library(5, 6)
    gone.library, _ = library(6)
    for fake in (seen, gone):
        process = fake.process()
        for _ in range(3):
            process.step()
        assert process.worker.not_ready == []
        fake.send(later)
        fake.drain(process)
    assert gone.outputs_by_patient() == seen.outputs_by_patient()
    assert gone.stored_stays() == seen.stored_stays()


def test_partitions_that_fail_slowly_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try takes longer than one round has for all of them, and as long until the next."""
    fake = FakeService(LIBRARY, n_partitions=4)
    process, now = fake.process(), [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def committed(partition: int) -> int | None:
        if partition in (0, 1):
            now[0] += 0.3
            raise LogUnavailable("a transaction is open")
        return fake.broker.committed.get(partition)

    monkeypatch.setattr(process.log, "committed", committed)
    for _ in range(8):
        process.step()
        now[0] += 0.3
    fake.send([event(p, f"p{p}", 0, values={"heart_rate": 70}) for p in range(4)])
    process.step()
    assert fake.broker.committed == {2: 1, 3: 1}


def test_a_take_over_that_failed_leaves_no_stay_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restored stays are in memory when the store fails; then another service goes on with them."""
    log = [event(0, "p", minute, values={"heart_rate": 70 + minute}) for minute in (0, 61, 125)]
    fake = FakeService(LIBRARY, n_partitions=1)
    fake.states_s = 4
    fake.send(log[:1])
    process = fake.process()
    fake.drain(process)
    for _ in range(20):  # the topic of states has all, and a mark
        process.step()
    fake.kill(process)
    fake.states.wipe()
    first, save = fake.process(), fake.states.save

    def save_but_the_last(changes: Sequence[StateWrite]) -> None:
        if any(change.watermark is not None for change in changes):
            raise StoreUnavailable("away")
        save(changes)

    monkeypatch.setattr(fake.states, "save", save_but_the_last)
    for _ in range(3):
        first.step()
    assert len(first.worker.cache) == 1, "nothing was left behind: this test shows nothing"
    monkeypatch.setattr(fake.states, "save", save)
    fake.kill(first)
    second = fake.process()
    fake.send(log[1:])
    fake.drain(second)
    fake.kill(second)
    fake.send([event(0, "p", 126, values={"resp_rate": 20})])
    fake.drain(first)
    expected = FakeService(LIBRARY, n_partitions=1)
    expected.send([*log, event(0, "p", 126, values={"resp_rate": 20})])
    expected.drain(expected.process())
    assert fake.stored_stays() == expected.stored_stays()


def test_one_partition_that_is_not_settled_holds_up_no_other() -> None:
    fake = drained()
    fake.broker.unsettled.add(0)
    process = fake.process()
    process.step()
    assert process.worker.blocked == {}
    fake.send([event(p, f"p{p}", 9_000, values={"heart_rate": 70}) for p in (0, 1)])
    n_outputs = len(fake.broker.outputs)
    process.step()
    assert {output.partition for output in fake.broker.outputs[n_outputs:]} == {1}
    wait_until(lambda: process.step() and process.worker.not_ready, 5, "a reason")
    (reason,) = process.worker.health.reasons
    assert (reason.kind, reason.partition, reason.waiting_on) == ("waiting", 0, None)
    assert "a transaction that moves partition 0 is open" in reason.message
    fake.broker.unsettled.clear()
    wait_until(lambda: process.step() and not process.worker.not_ready, 5, "readiness")
    fake.drain(process)
    assert fake.messages("risk")[-1]["patient_id"] == "p0"


def test_events_deleted_ahead_of_a_service_cost_their_partition_alone() -> None:
    fake = drained()
    process = fake.process()
    process.step()
    fake.send([event(0, "p0", 9_000 + i, values={"heart_rate": 70}) for i in range(3)])
    fake.send([event(1, "p1", 9_000, values={"heart_rate": 70})])
    fake.broker.first[0] = len(fake.broker.partitions[0]) - 1
    n_outputs = len(fake.broker.outputs)
    for _ in range(3):
        process.step()
    assert {output.partition for output in fake.broker.outputs[n_outputs:]} == {1}
    (reason,) = process.worker.not_ready
    assert re.search("partition 0: the states end at offset .* never seen are gone", reason)


def test_a_partition_that_holds_nothing_but_a_marker_is_ready() -> None:
    """Positions are the log's own, past what is no record; so nothing is missing afterwards."""
    fake = drained()
    process = fake.process()
    process.step()
    fake.broker.append_marker(0)
    fake.drain(process)
    fake.kill(process)
    fake.broker.first[0] = len(fake.broker.partitions[0])  # all of it has grown old
    process = fake.process()
    for _ in range(3):
        process.step()
    assert process.worker.not_ready == []
    fake.send([event(0, "p0", 9_000, values={"heart_rate": 70})])
    fake.drain(process)
    assert fake.messages("risk")[-1]["patient_id"] == "p0"


def test_a_spare_service_is_ready() -> None:
    fake = drained()
    first, second = fake.process(), fake.process()
    spare = fake.process()
    for _ in range(2):
        for process in (first, second, spare):
            process.step()
    assert spare.worker.not_ready == []
    fake.kill(first)
    fake.send([event(0, "p0", 9_000, values={"heart_rate": 70})])
    fake.drain(second, spare)


def damaged(fake: FakeService, *patients: str, at: int = -1) -> FakeService:
    """The same, with a byte changed in the stored stays of these patients on partition 1."""
    snapshot = fake.states.snapshot()
    for patient in patients:
        stay = bytearray(snapshot[1].stays[patient])
        stay[at] ^= 1
        snapshot[1].stays[patient] = bytes(stay)
    fake.states.restore(snapshot)
    return fake


@pytest.mark.parametrize("max_stays", [0, 1])
def test_a_damaged_stay_costs_itself(max_stays: int) -> None:
    fake = damaged(drained(), "p1")
    fake.max_stays = max_stays
    before = stays_in(fake.states, 1)
    process = fake.process()
    process.step()
    assert process.worker.not_ready == []
    assert metrics.REGISTRY.get_sample_value("vigil_stays_damaged_total")
    fake.send([event(1, p, 9_000, values={"heart_rate": 70}) for p in ("p1", "p3")])
    fake.drain(process)
    last = {risk["patient_id"]: risk for risk in fake.messages("risk")[-2:]}
    assert last["p1"]["data"]["hours_of_data"] == 1
    assert last["p3"]["data"]["hours_of_data"] > 1
    fake.kill(process)
    again = fake.process()
    fake.drain(again)
    assert stays_in(fake.states, 1).keys() == before.keys()
    assert again.worker.not_ready == []


def test_states_of_another_version_are_refused_and_nothing_of_them_is_used() -> None:
    fake = drained()
    patients = sorted(stays_in(fake.states, 1))
    damaged(fake, *patients, at=5)  # the number of the format
    process = fake.process()
    process.step()
    (reason,) = process.worker.not_ready
    assert re.search(
        r"partition 1: state of a patient: format .*Run the version that wrote", reason
    )
    assert not any(patient in reason for patient in patients)


def test_a_patient_on_two_partitions_is_refused() -> None:
    fake = drained()
    snapshot = fake.states.snapshot()
    snapshot[1].stays["p0"] = snapshot[0].stays["p0"]
    fake.states.restore(snapshot)
    process = fake.process()
    process.step()
    (reason,) = process.worker.not_ready
    assert "partition 1: a patient of its states lives on partition 0" in reason


def test_a_new_topic_is_refused_until_its_states_are_deleted() -> None:
    fake = drained()
    fake.broker.recreate()
    fake.send([event(0, "p0", 9_000, values={"heart_rate": 70})])
    n_outputs = len(fake.broker.outputs)
    process = fake.process()
    process.step()
    assert [reason[:12] for reason in process.worker.not_ready] == ["partition 0:", "partition 1:"]
    assert len(fake.broker.outputs) == n_outputs
    fake.kill(process)
    fake.states.wipe()
    fake.drain(fake.process())
    assert len(fake.broker.outputs) > n_outputs


def test_in_a_topic_that_was_made_anew_patients_may_live_elsewhere() -> None:
    fake = drained()
    fake.broker.recreate()
    fake.states.wipe()
    fake.send([event(0, "p1", 9_000, values={"heart_rate": 70})])
    fake.drain(fake.process())
    assert fake.stored_stays() == {0: {"p1": ANY}, 1: {}}


@pytest.mark.parametrize("running", [False, True])
def test_added_partitions_stop_everything_and_say_the_way_out(running: bool) -> None:
    fake = drained()
    process = fake.process()
    if running:
        fake.drain(process)
    n_outputs = len(fake.broker.outputs)
    known = fake.stored_stays()
    fake.broker.add_partition()
    fake.send([event(p, f"p{p}", 9_000, values={"heart_rate": 70}) for p in range(3)])
    for _ in range(3):
        process.step()
    reasons = process.worker.not_ready
    assert [reason[:12] for reason in reasons] == [f"partition {p}:" for p in range(3)]
    assert all("has 3 partitions, and had 2" in reason for reason in reasons)
    assert all("Feed a new topic" in reason for reason in reasons)
    assert len(fake.broker.outputs) == n_outputs
    assert fake.stored_stays() == known | {2: {}}


def test_a_mended_partition_is_taken_without_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = drained()
    committed = fake.broker.committed[0]
    fake.broker.committed[0] -= 1
    process = fake.process()
    process.step()
    refused = process.worker.blocked[0]
    fake.broker.committed[0] = committed
    fake.send([event(0, "p0", 9_000, values={"heart_rate": 70})])
    process.step()
    assert process.worker.blocked == {0: refused}, "not before it is time to look again"
    monkeypatch.setattr(ownership, "RETRY_BLOCKED_S", -1.0)
    fake.drain(process)
    assert process.worker.not_ready == []


def test_a_partition_that_stays_wrong_keeps_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = drained()
    fake.broker.committed[0] -= 1
    process = fake.process()
    process.step()
    first = process.worker.blocked[0]
    monkeypatch.setattr(ownership, "RETRY_BLOCKED_S", -1.0)
    process.step()
    again = process.worker.blocked[0]
    assert (again.reason, again.since) == (first.reason, first.since)
    assert again.checked_at > first.checked_at
