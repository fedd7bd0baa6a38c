from __future__ import annotations

import re
from unittest.mock import ANY

import pytest

from streamer.service import ownership
from tests.support.fake_service import Twins, event, invented_log, library, stays_in

LIBRARY, _ = library(5)


def drained() -> Twins:
    twins = Twins(LIBRARY, n_partitions=2)
    twins.send(invented_log(3, n_events=60, n_partitions=2))
    process = twins.process()
    twins.drain(process)
    twins.kill(process)
    return twins


def test_a_refused_partition_stands_still_and_the_others_go_on() -> None:
    twins = drained()
    twins.broker.committed[0] -= 1
    n_outputs = len(twins.broker.outputs)
    states = stays_in(twins.states, 0)
    twins.send([event(p, f"p{p}", 9_000, values={"heart_rate": 70}) for p in (0, 1)])
    process = twins.process()
    for _ in range(4):
        process.step()
    (reason,) = process.worker.not_ready
    assert reason.startswith("partition 0: the states are ahead of the log")
    assert {output.partition for output in twins.broker.outputs[n_outputs:]} == {1}
    assert stays_in(twins.states, 0) == states


def test_states_of_a_model_that_is_gone_are_refused() -> None:
    twins = drained()
    twins.library, _ = library(6)
    process = twins.process()
    process.step()
    reasons = process.worker.not_ready
    assert len(reasons) == 2
    assert all("which is not published any more" in reason for reason in reasons)


def test_corrupt_states_are_refused_and_nothing_of_them_is_used() -> None:
    twins = drained()
    snapshot = twins.states.snapshot()
    patient = sorted(snapshot[1].stays)[-1]
    snapshot[1].stays[patient] = snapshot[1].stays[patient][:-1] + b"?"
    twins.states.restore(snapshot)
    process = twins.process()
    process.step()
    (reason,) = process.worker.not_ready
    assert re.search(r"partition 1: state of a patient: .*Delete the partition's states", reason)
    assert patient not in reason


def test_a_patient_on_two_partitions_is_refused() -> None:
    twins = drained()
    snapshot = twins.states.snapshot()
    snapshot[1].stays["p0"] = snapshot[0].stays["p0"]
    twins.states.restore(snapshot)
    process = twins.process()
    process.step()
    (reason,) = process.worker.not_ready
    assert "partition 1: a patient of its states lives on partition 0" in reason


def test_a_new_topic_is_refused_until_its_states_are_deleted() -> None:
    twins = drained()
    twins.broker.recreate()
    twins.send([event(0, "p0", 9_000, values={"heart_rate": 70})])
    n_outputs = len(twins.broker.outputs)
    process = twins.process()
    process.step()
    assert [reason[:12] for reason in process.worker.not_ready] == ["partition 0:", "partition 1:"]
    assert len(twins.broker.outputs) == n_outputs
    twins.kill(process)
    twins.states.wipe()
    twins.drain(twins.process())
    assert len(twins.broker.outputs) > n_outputs


def test_in_a_topic_that_was_made_anew_patients_may_live_elsewhere() -> None:
    twins = drained()
    twins.broker.recreate()
    twins.states.wipe()
    twins.send([event(0, "p1", 9_000, values={"heart_rate": 70})])
    twins.drain(twins.process())
    assert twins.known() == {0: {"p1": ANY}, 1: {}}


@pytest.mark.parametrize("running", [False, True])
def test_added_partitions_stop_everything_and_say_the_way_out(running: bool) -> None:
    twins = drained()
    process = twins.process()
    if running:
        twins.drain(process)
    n_outputs = len(twins.broker.outputs)
    known = twins.known()
    twins.broker.add_partition()
    twins.send([event(p, f"p{p}", 9_000, values={"heart_rate": 70}) for p in range(3)])
    for _ in range(3):
        process.step()
    reasons = process.worker.not_ready
    assert [reason[:12] for reason in reasons] == [f"partition {p}:" for p in range(3)]
    assert all("has 3 partitions, and had 2" in reason for reason in reasons)
    assert all("Feed a new topic" in reason for reason in reasons)
    assert len(twins.broker.outputs) == n_outputs
    assert twins.known() == known | {2: {}}


def test_a_mended_partition_is_taken_without_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = drained()
    committed = twins.broker.committed[0]
    twins.broker.committed[0] -= 1
    process = twins.process()
    process.step()
    refused = process.worker.blocked[0]
    twins.broker.committed[0] = committed
    twins.send([event(0, "p0", 9_000, values={"heart_rate": 70})])
    process.step()
    assert process.worker.blocked == {0: refused}, "not before it is time to look again"
    monkeypatch.setattr(ownership, "RETRY_BLOCKED_S", -1.0)
    twins.drain(process)
    assert process.worker.not_ready == []


def test_a_partition_that_stays_wrong_keeps_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = drained()
    twins.broker.committed[0] -= 1
    process = twins.process()
    process.step()
    first = process.worker.blocked[0]
    monkeypatch.setattr(ownership, "RETRY_BLOCKED_S", -1.0)
    process.step()
    again = process.worker.blocked[0]
    assert (again.reason, again.since) == (first.reason, first.since)
    assert again.checked_at > first.checked_at
