"""Redis is lost with its model, on real servers: the same model goes on with whole stays."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from kafka import KafkaAdminClient, TopicPartition
from redis import Redis

from bench.reading import read_topic
from streamer.adapters.kafka.state_topic import KafkaStateTopic
from streamer.adapters.redis.models import RedisModels
from streamer.bundles.acceptance import Trust, accept
from streamer.core.alert_messages import Content
from streamer.core.codec import Era, decode
from streamer.core.stays import StayTable
from streamer.core.variables import VARIABLES
from streamer.local import LocalStack
from streamer.service.state_records import Snapshot
from tests.support.fake_service import Event, FakeService, event, library, stays_in
from tests.support.service_trial import DEADLINE_S, ServiceTrial
from tests.support.small_models import random_bundle
from tests.support.wait import wait_until

SEED: Final = 5
HOURS: Final = 100
PATIENTS: Final = [f"p{i}" for i in range(12)]
N_PARTITIONS: Final = 2


def hour(number: float, draws: np.random.Generator) -> list[Event]:
    """An observation of each patient, whose values hardly change from hour to hour."""
    events = []
    for i, patient in enumerate(PATIENTS):
        levels = np.random.default_rng(i)
        values = {
            v.name: v.low + (v.high - v.low) * (levels.uniform(0.2, 0.8) + draws.uniform(0, 0.01))
            for v in VARIABLES[:12]
        }
        events.append(event(i % N_PARTITIONS, patient, 60 * number, values=values))
    return events


def parts() -> list[list[Event]]:
    """Stays of 100 hours, three later hours, and the end of all stays."""
    draws = np.random.default_rng(SEED)
    admissions = [
        event(i % N_PARTITIONS, p, 0, type="admission", age=50 + i, ward=f"W{i}", bed=str(i))
        for i, p in enumerate(PATIENTS)
    ]
    long = [e for number in range(HOURS) for e in hour(number + 0.5, draws)]
    later = [hour(HOURS + k / 3, draws) for k in range(3)]
    ends = [
        event(i % N_PARTITIONS, p, 60 * (HOURS + 2), type="discharge")
        for i, p in enumerate(PATIENTS)
    ]
    return [admissions + long, *later, ends]


@pytest.fixture
def own(stack: LocalStack) -> Iterator[LocalStack]:
    """The Kafka of all tests and a Redis of this one's own."""
    with LocalStack(existing_kafka=stack.kafka) as running:
        yield running


def publish(stack: LocalStack) -> None:
    """Publishes the model as a trainer does whose Redis has none."""
    bundle = random_bundle(SEED)
    with contextlib.closing(Redis.from_url(stack.redis)) as client:
        RedisModels(client).publish(bundle.model_id, bundle.to_bytes(), 0)


def lose(stack: LocalStack) -> None:
    with Redis.from_url(stack.redis_admin) as client:
        client.flushall()


def marks(trial: ServiceTrial, log_id: str) -> dict[int, int]:
    """The last mark of each partition, an offset."""
    topic = KafkaStateTopic(trial.settings.kafka_connection(), trial.settings.topic_states)
    snapshots = {number: Snapshot(None, {}) for number in range(N_PARTITIONS)}
    for page in topic.read():
        for record in page:
            snapshots[record.partition].add(record, log_id)
    return {n: snapshot.mark.since for n, snapshot in snapshots.items() if snapshot.mark}


def forget_history(trial: ServiceTrial) -> None:
    """Waits until every change is in the topic of states, and deletes the log before it."""
    with contextlib.closing(KafkaAdminClient(**trial.settings.kafka_connection())) as admin:
        vitals = trial.settings.topic_vitals
        (described,) = admin.describe_topics([vitals])
        ends = trial.ends()
        wait_until(lambda: marks(trial, str(described["topic_id"])) == ends, DEADLINE_S, "marks")
        admin.delete_records({TopicPartition(vitals, p): end for p, end in ends.items()})


def published(trial: ServiceTrial, topic: str) -> list[Content]:
    return [json.loads(record.value) for record in read_topic(trial.settings, topic)]


def undisturbed(events: list[Event]) -> FakeService:
    """What comes of these events where nothing is lost."""
    fake, now_ms = FakeService(library(SEED)[0], N_PARTITIONS), round(time.time() * 1000)
    for partition, key, value in events:
        fake.broker.append(partition, key, value, now_ms)
    fake.drain(fake.process())
    return fake


def particulars(stays: dict[str, bytes]) -> dict[str, str]:
    """What is to be the same of each stay, whichever way it came about."""
    model = accept(random_bundle(SEED), Trust(allow_unsigned=True))
    table = StayTable(model.architecture)
    decode(table, 0, stays, Era(model.model_id))
    fields = (
        "origin_ms",
        "static",
        "open_bin",
        "risk",
        "alert_start_ms",
        "alert_severity",
        "h",
        "c",
    )
    return {
        patient: str([table.locations[slot], *(table[name][slot].tolist() for name in fields)])
        for patient, slot in table.slot_of.items()
    }


def joined(by_partition: dict[int, dict[str, bytes]]) -> dict[str, bytes]:
    return {patient: stay for stays in by_partition.values() for patient, stay in stays.items()}


@pytest.mark.timeout(240)
def test_redis_is_lost_twice_and_whole_stays_go_on_with_the_same_model(
    own: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    long, *later, ends = parts()
    whole = [*long, *chain.from_iterable(later)]
    before, twin = undisturbed(whole), undisturbed([*whole, *ends])
    publish(own)
    with ServiceTrial(own, tmp_path, topic_prefix, states_seconds=1) as trial:
        trial.publish(long)
        with trial.worker() as worker:
            trial.settle()
            forget_history(trial)
            trial.publish(later[0])
            trial.settle()
            lose(own)  # while it runs: it publishes the model again
            trial.publish(later[1])
            trial.settle()
            assert worker.not_ready == []
        lose(own)  # while nothing runs: a trainer publishes its champion at its start
        publish(own)
        trial.publish(later[2])
        with trial.worker():
            trial.settle()
            stays = joined({n: stays_in(trial.states, n) for n in range(N_PARTITIONS)})
            trial.publish(ends)
            trial.settle()
        risks = published(trial, trial.settings.topic_risk)
        alerts = published(trial, trial.settings.topic_alerts)
    assert particulars(stays) == particulars(joined(before.stored_stays()))
    assert {risk["model"] for risk in risks} == {random_bundle(SEED).model_id[:12]}
    spoken = {(r["patient_id"], r["time"]): (r["bin"], r["risk"]) for r in risks}
    expected = {(r["patient_id"], r["time"]): (r["bin"], r["risk"]) for r in twin.messages("risk")}
    assert len(risks) == len(spoken)
    assert spoken.keys() == expected.keys()
    for name, (bin_, risk) in expected.items():
        assert spoken[name] == (bin_, pytest.approx(risk, abs=1e-5))
    names = [(a["alert_id"], a["phase"], a["time"]) for a in alerts]
    assert sorted(names) == sorted(
        (a["alert_id"], a["phase"], a["time"]) for a in twin.messages("alerts")
    )
    starts = {a["alert_id"] for a in alerts if a["phase"] == "start"}
    ended = {a["alert_id"] for a in alerts if a["phase"] == "end"}
    assert ended == starts
    assert any(name for name in starts if hours_on(alerts, name) > 60), "no alert was on for long"


def hours_on(alerts: list[Content], alert_id: str) -> float:
    times = {
        a["phase"]: np.datetime64(a["time"].rstrip("Z"))
        for a in alerts
        if a["alert_id"] == alert_id
    }
    return float((times["end"] - times["start"]) / np.timedelta64(1, "h"))
