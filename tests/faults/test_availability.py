"""A fault costs a record, a partition or a name, is said, and heals with its cause."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, NewPartitions

from streamer.adapters.kafka.log import KafkaLog
from streamer.local import LocalStack
from streamer.ports.log import LogUnavailable
from streamer.service import metrics
from streamer.service.topics import check_widths, ensure_topics
from streamer.service.worker import Worker
from tests.support.service_trial import DEADLINE_S, ServiceTrial
from tests.support.wait import wait_until


@pytest.fixture
def trial(stack: LocalStack, tmp_path: Path, topic_prefix: str) -> Iterator[ServiceTrial]:
    with ServiceTrial(stack, tmp_path, topic_prefix) as opened:
        yield opened


@contextlib.contextmanager
def admin(trial: ServiceTrial) -> Iterator[KafkaAdminClient]:
    with contextlib.closing(KafkaAdminClient(**trial.settings.kafka_connection())) as client:
        yield client


def set_topic(trial: ServiceTrial, topic: str, **configs: str) -> None:
    named = {name.replace("_", "."): value for name, value in configs.items()}
    with admin(trial) as client:
        client.alter_configs([ConfigResource("TOPIC", topic, named)])


def lag(partition: int) -> float:
    labels = {"partition": str(partition)}
    return metrics.REGISTRY.get_sample_value("vigil_lag_records", labels) or 0.0


def kinds(worker: Worker) -> list[str]:
    return [reason.kind for reason in worker.health.reasons]


def test_transactions_that_cannot_succeed_are_named_and_go_on_by_themselves(
    trial: ServiceTrial,
) -> None:
    set_topic(trial, trial.settings.topic_risk, max_message_bytes="100")
    trial.send(60)
    with trial.worker() as worker:
        wait_until(lambda: "failing" in kinds(worker), DEADLINE_S, "a reason")
        (reason,) = (r for r in worker.health.reasons if r.kind == "failing")
        assert "MessageSizeTooLarge" in reason.message
        wait_until(lambda: lag(0) > 0 and lag(1) > 0, DEADLINE_S, "lag")
        before, failed = lag(0) + lag(1), tries()
        trial.send(60)
        steady_until = time.monotonic() + 12
        while time.monotonic() < steady_until:
            assert "failing" in kinds(worker)
            time.sleep(0.2)
        assert lag(0) + lag(1) > before
        assert tries() - failed <= 2
        set_topic(trial, trial.settings.topic_risk, max_message_bytes="1048588")
        trial.assert_equals_oracle()
        wait_until(lambda: not worker.not_ready, DEADLINE_S, "readiness")


def tries() -> float:
    """How many transactions have failed."""
    return metrics.REGISTRY.get_sample_value("vigil_interrupted_total") or 0.0


def test_a_topic_that_takes_less_at_once_gets_smaller_batches(trial: ServiceTrial) -> None:
    set_topic(trial, trial.settings.topic_risk, max_message_bytes="3000")
    trial.send(150)
    with trial.worker(max_batch="100"):
        trial.assert_equals_oracle()


def test_a_clock_that_is_two_hours_ahead_stops_nothing(trial: ServiceTrial) -> None:
    trial.send(40)
    with trial.worker() as worker:
        log = worker._log
        assert isinstance(log, KafkaLog)
        log._clock._clock = lambda: time.time() + 7_200
        trial.send(40)
        trial.assert_equals_oracle()
        wait_until(lambda: not worker.not_ready, DEADLINE_S, "readiness")


def test_a_narrower_output_is_refused_at_the_start(trial: ServiceTrial) -> None:
    with admin(trial) as client:
        client.create_partitions({trial.settings.topic_vitals: NewPartitions(3)})

    def refusal() -> str:
        try:
            check_widths(trial.settings, ensure_topics(trial.settings))
        except LogUnavailable as error:
            return str(error)
        return ""

    reason = wait_until(refusal, DEADLINE_S, "a refusal")
    assert re.search(r"vitals has 3 partitions, .*risk has 2, .*alerts has 2", reason)


def test_a_spare_is_ready_once_others_have_all(trial: ServiceTrial) -> None:
    with ExitStack() as opened:
        workers = [opened.enter_context(trial.worker()) for _ in range(3)]
        wait_until(
            lambda: all(not w.not_ready for w in workers), DEADLINE_S, "three that are ready"
        )
        trial.send(150)
        trial.assert_equals_oracle()


def test_of_two_services_with_one_name_one_ends_and_says_so(trial: ServiceTrial) -> None:
    trial.send(50)
    twins = [trial.service(instance="twin"), trial.service(instance="twin")]
    feeding = iter(range(10_000))

    def ended() -> bool:
        if next(feeding) % 3 == 0:
            trial.send(2)
        return any(twin.exit_code is not None for twin in twins)

    wait_until(ended, DEADLINE_S, "the end of one")
    (gone,) = (twin for twin in twins if twin.exit_code is not None)
    assert gone.wait() == 1
    assert "another process works under the same name" in gone.log
    trial.assert_equals_oracle()
    assert [twin.exit_code for twin in twins].count(None) == 1


class Ward:
    """A steady event each 0.1 s on each of two partitions, and how long its risk took."""

    def __init__(self, trial: ServiceTrial) -> None:
        self._settings = trial.settings
        self._producer = KafkaProducer(**trial.settings.kafka_connection(), linger_ms=0)
        self._n = 0

    def send(self) -> None:
        now_ms = int(time.time() * 1000)
        for partition in (0, 1):
            patient = f"steady{partition}"
            time_ms = 1_700_000_000_000 + self._n * 61_000  # each is a new evaluation
            event = {"patient_id": patient, "time": time_ms, "values": {"heart_rate": 80}}
            self._producer.send(
                self._settings.topic_vitals, json.dumps(event).encode(), patient.encode(),
                partition=partition, timestamp_ms=now_ms,
            )  # fmt: skip
        self._n += 1
        self._producer.flush(DEADLINE_S)


def read_all(trial: ServiceTrial, topic: str) -> list[tuple[int, int, int, bytes]]:
    """Partition, offset, timestamp and value of all committed records of a topic."""
    reader = KafkaConsumer(
        topic,
        **trial.settings.kafka_connection(),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    records: list[tuple[int, int, int, bytes]] = []
    with contextlib.closing(reader):

        def at_the_end() -> bool:
            for parts in reader.poll(timeout_ms=200).values():
                records.extend((r.partition, r.offset, r.timestamp, r.value) for r in parts)
            tps = reader.assignment()
            return bool(tps) and all(
                reader.position(tp) >= end for tp, end in reader.end_offsets(tps).items()
            )

        wait_until(at_the_end, DEADLINE_S, f"all of {topic}")
    return records


def test_killed_in_a_transaction_and_the_survivor_goes_on(trial: ServiceTrial) -> None:
    """The partition of the dead waits for its open transaction; the other one does not."""
    survivor = trial.service()
    wait_until(lambda: "partition taken" in survivor.log, DEADLINE_S, "one that works")
    mortal = trial.service("in_transaction@30:kill")
    ward = Ward(trial)

    def dead() -> bool:
        ward.send()
        return mortal.exit_code is not None

    wait_until(dead, DEADLINE_S, "a death")
    died_at, longest_s = time.time(), 0.0
    while time.time() - died_at < 25:  # a session of 6 s, then a transaction of 15 s
        began = time.monotonic()
        ward.send()
        time.sleep(0.1)
        longest_s = max(longest_s, time.monotonic() - began - 0.1)
    trial.settle()
    sent = {(p, o): at / 1000 for p, o, at, _ in read_all(trial, trial.settings.topic_vitals)}
    waits: dict[int, list[float]] = {0: [], 1: []}
    for _, _, at, value in read_all(trial, trial.settings.topic_risk):
        risk = json.loads(value)
        waits[risk["partition"]].append(at / 1000 - sent[risk["partition"], risk["offset"]])
    since = {
        p: [w for w, (q, s) in zip(waits[p], _of(sent, p), strict=True) if s > died_at - 1]
        for p in (0, 1)
    }
    own, others = sorted(max(of_partition) for of_partition in since.values())
    assert others > 5, "the partition of the dead waited for nothing: no test"
    # A second, and what a loaded machine takes from everybody: it held up this loop as well.
    assert own < 1 + 3 * longest_s


def _of(sent: dict[tuple[int, int], float], partition: int) -> list[tuple[int, float]]:
    return [(p, at) for (p, _), at in sorted(sent.items()) if p == partition]
