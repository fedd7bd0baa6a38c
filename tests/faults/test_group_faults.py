"""The group changes every second, its offsets are moved, or its topic is replaced."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewPartitions
from kafka.structs import OffsetAndMetadata

from bench.oracle import compare
from bench.reading import read_topic
from streamer.core.reasons import Reason
from streamer.local import LocalStack
from streamer.service.topics import ensure_topics
from streamer.service.worker import Worker
from tests.support.fake_service import event
from tests.support.service_trial import DEADLINE_S, N_EVENTS, ServiceTrial
from tests.support.wait import wait_until

CHANGES = 10


@pytest.fixture
def trial(stack: LocalStack, tmp_path: Path, topic_prefix: str) -> Iterator[ServiceTrial]:
    with ServiceTrial(stack, tmp_path, topic_prefix) as opened:
        yield opened


@contextlib.contextmanager
def admin_of(trial: ServiceTrial) -> Iterator[KafkaAdminClient]:
    with contextlib.closing(KafkaAdminClient(**trial.settings.kafka_connection())) as admin:
        yield admin


def move_offsets(trial: ServiceTrial, offsets: dict[int, int]) -> None:
    """As `kafka-consumer-groups.sh --reset-offsets` does; the group must be empty."""
    vitals = trial.settings.topic_vitals
    consumer = KafkaConsumer(
        **trial.settings.kafka_connection(), group_id=trial.settings.group, enable_auto_commit=False
    )
    with contextlib.closing(consumer):
        tps = {TopicPartition(vitals, p): OffsetAndMetadata(o, "", -1) for p, o in offsets.items()}
        consumer.assign(list(tps))
        consumer.commit(tps)


def wait_until_blocked(worker: Worker, partitions: Sequence[int], why: str) -> None:
    """Waits until readiness names exactly these partitions as blocked, for this reason."""

    def are_blocked() -> bool:
        reasons = [reason for reason in worker.not_ready if why in reason]
        return [int(reason.split()[1].rstrip(":")) for reason in reasons] == list(partitions)

    wait_until(are_blocked, DEADLINE_S, f"partitions {partitions} blocked with {why!r}")


def drained(trial: ServiceTrial, n: int) -> None:
    """Lets a worker take n events and leave."""
    trial.send(n)
    with trial.worker():
        trial.settle()


def test_members_join_and_leave_every_second(
    stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    with ServiceTrial(stack, tmp_path, topic_prefix, partitions=4) as trial, trial.worker():
        for change in range(CHANGES):
            trial.send(N_EVENTS // CHANGES)
            with ExitStack() as joined:
                for _ in range(1 + change % 2):
                    joined.enter_context(trial.worker())
                trial.wait_for_commit((change + 1) * N_EVENTS // CHANGES // 2)
        trial.assert_equals_oracle()


def test_offsets_set_back_are_refused_until_they_are_set_to_the_watermark(
    trial: ServiceTrial,
) -> None:
    drained(trial, N_EVENTS // 2)
    before = trial.watermarks()
    move_offsets(trial, {0: 7})
    trial.send()
    with trial.worker() as worker:
        wait_until_blocked(worker, [0], "states are ahead of the log")
    assert trial.watermarks()[0] == before[0]
    watermark = before[0]
    assert watermark is not None
    move_offsets(trial, {0: watermark})
    with trial.worker():
        trial.assert_equals_oracle()


def test_offsets_set_forward_are_stepped_over_in_silence_and_the_states_are_right(
    trial: ServiceTrial,
) -> None:
    drained(trial, N_EVENTS // 2)
    trial.send(50)
    ends = trial.ends()
    move_offsets(trial, ends)
    trial.send()
    with trial.worker():
        trial.settle()
        by_kind = compare(trial.settings)
    assert not by_kind["state"].total
    skipped = sum(kind.missing for name, kind in by_kind.items() if name != "state")
    assert 0 < skipped == sum(kind.total for kind in by_kind.values()), "skipped events are silent"


def test_offsets_behind_the_end_of_the_log_are_refused(trial: ServiceTrial) -> None:
    drained(trial, N_EVENTS // 2)
    move_offsets(trial, {1: trial.ends()[1] + 1_000})
    with trial.worker() as worker:
        wait_until_blocked(worker, [1], "behind the end of the topic")


def test_events_that_were_deleted_before_anyone_saw_them_are_refused(trial: ServiceTrial) -> None:
    drained(trial, N_EVENTS // 2)
    trial.send(50)
    with admin_of(trial) as admin:
        tp = TopicPartition(trial.settings.topic_vitals, 0)
        admin.delete_records({tp: trial.ends()[0]})
    with trial.worker() as worker:
        wait_until_blocked(worker, [0], "events that were never seen are gone")


def recreate(trial: ServiceTrial) -> None:
    vitals = trial.settings.topic_vitals
    with admin_of(trial) as admin:
        admin.delete_topics([vitals])
        wait_until(lambda: vitals not in admin.list_topics(), DEADLINE_S, "deletion")
    ensure_topics(trial.settings)


def test_a_topic_made_anew_is_refused_until_its_states_are_deleted(trial: ServiceTrial) -> None:
    drained(trial, N_EVENTS // 2)
    n_risks = len(read_topic(trial.settings, trial.settings.topic_risk))
    recreate(trial)
    trial.send()
    with trial.worker() as worker:
        wait_until_blocked(worker, [0, 1], "created anew")
        assert len(read_topic(trial.settings, trial.settings.topic_risk)) == n_risks
    for partition in (0, 1):
        trial.redis.delete(trial.states.key(partition))
    with trial.worker():
        trial.settle()
    assert not compare(trial.settings)["state"].total


def test_a_topic_made_anew_under_a_running_service_is_refused(trial: ServiceTrial) -> None:
    trial.send(N_EVENTS // 4)
    with trial.worker() as worker:
        trial.settle()
        n_risks = len(read_topic(trial.settings, trial.settings.topic_risk))
        recreate(trial)
        wait_until_blocked(worker, [0, 1], "created anew")
        trial.send()  # more than before: the old offsets are in the new log, too
        wait_until_blocked(worker, [0, 1], "created anew")
    assert len(read_topic(trial.settings, trial.settings.topic_risk)) == n_risks


@pytest.mark.parametrize("while_it_runs", [True, False])
def test_added_partitions_are_refused(trial: ServiceTrial, while_it_runs: bool) -> None:
    drained(trial, N_EVENTS // 2)
    with ExitStack() as opened:
        if while_it_runs:
            worker = opened.enter_context(trial.worker())
            wait_until(lambda: not worker.not_ready, DEADLINE_S, "a worker at work")
        with admin_of(trial) as admin:
            admin.create_partitions({trial.settings.topic_vitals: NewPartitions(4)})
        if not while_it_runs:
            worker = opened.enter_context(trial.worker())
        wait_until_blocked(worker, range(4), "Feed a new topic of the wanted width")
        before = trial.watermarks()
        trial.send()
        wait_until_blocked(worker, range(4), "Feed a new topic of the wanted width")
        assert trial.watermarks() == before


@pytest.mark.parametrize("n_workers", [1, 2], ids=["one worker", "a worker each"])
def test_a_patient_whose_producers_hash_differently_is_refused_on_the_other_partition(
    trial: ServiceTrial, n_workers: int
) -> None:
    trial.send(N_EVENTS // 2)
    with ExitStack() as opened:
        for _ in range(n_workers):
            worker = opened.enter_context(trial.worker())
        wait_until(lambda: not worker.not_ready, DEADLINE_S, "the last worker at work")
        trial.settle()
        minute = 60_000
        trial.publish([event(0, "torn", 10 + i, values={"heart_rate": 70}) for i in range(3)])
        trial.settle()
        trial.publish([event(1, "torn", minute + i, values={"heart_rate": 71}) for i in range(3)])
        trial.publish([event(0, "torn", 20 + i, values={"heart_rate": 72}) for i in range(3)])
        trial.settle()
    risks = [json.loads(r.value) for r in read_topic(trial.settings, trial.settings.topic_risk)]
    assert {risk["partition"] for risk in risks if risk["patient_id"] == "torn"} == {0}
    rejected = [
        dict(record.headers)
        for record in read_topic(trial.settings, trial.settings.topic_rejected)
        if record.key == b"torn"
    ]
    assert [(r["reason"].decode(), r["partition"]) for r in rejected] == [
        (Reason.OTHER_PARTITION, b"1")
    ] * 3
    assert trial.states.find("torn", [1]) is None
