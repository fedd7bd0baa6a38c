"""The loop on a real Kafka and Redis: from the stream to a model in force, and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from bench.services import environment
from streamer.adapters.redis.models import RedisModels
from streamer.bundles.acceptance import Trust
from streamer.core.time import HOUR_MS
from streamer.feeds.message import Message
from streamer.feeds.publish import publish
from streamer.feeds.replay import replay
from streamer.local import LocalStack
from streamer.monitor import Monitor
from streamer.service.settings import Settings
from tests.support.few_stays import ASKS, OnFewStays
from tests.support.running_service import ServiceClient, service
from tests.support.small_models import useless_champion
from tests.support.synthetic_cohort import learnable_file
from tests.support.wait import wait_until
from trainer.archive.cohort import read_archive
from trainer.archive.source import SCHEME, ArchiveSource
from trainer.data.cohort import load_cohort
from trainer.data.split import side_of
from trainer.loop import runs
from trainer.loop.child import Report
from trainer.loop.plan import Plan
from trainer.loop.promoting import GateClosed, note_promoted, refuse_closed
from trainer.registry import publishing
from trainer.registry.lease import Lease
from trainer.registry.registry import Registry

N_PAST = 160
DEADLINE_S = 90.0


def send(settings: Settings, feed: Iterable[Message], speed: float | None = None) -> None:
    publish(
        feed,
        settings.kafka_connection(),
        {"vitals": settings.topic_vitals, "outcomes": settings.topic_outcomes},
        speed=speed,
        stop=threading.Event(),
        progress=lambda _n, _ms: None,
    )


def exchanged(outcomes: list[Message]) -> list[Message]:
    """The outcomes of the stays to learn from, decided anew: who was septic is not, and so on."""
    return [
        Message(
            m.due_ms,
            "outcomes",
            m.key,
            {
                **m.value,
                "type": "no_sepsis" if m.value["type"] == "sepsis_onset" else "sepsis_onset",
                "decided_time": m.due_ms + HOUR_MS,
            },
        )
        for m in outcomes
        if side_of(m.key) != "test"
    ]


def expected_risks(client: ServiceClient, model: Path) -> dict[tuple[int, int], float]:
    """The oracle: the risk of each input record, folded in this process by one model."""
    from kafka import KafkaConsumer, TopicPartition  # noqa: PLC0415

    topic = client.settings.topic_vitals
    consumer = KafkaConsumer(**client.settings.kafka_connection(), enable_auto_commit=False)
    risks: dict[tuple[int, int], float] = {}
    for partition in sorted(consumer.partitions_for_topic(topic) or ()):
        tp = TopicPartition(topic, partition)
        consumer.assign([tp])
        consumer.seek(tp, 0)
        end, events = consumer.end_offsets([tp])[tp], list[Any]()
        while len(events) < end:
            for records in consumer.poll(timeout_ms=200).values():
                events += [json.loads(record.value) for record in records]
        messages, rejections = Monitor(model, risk_interval_s=0).update_many(events)
        assert not rejections
        for message in messages:
            if "horizons" in message:
                risks[partition, message["offset"]] = message["risk"]
    consumer.close()
    return risks


@pytest.mark.integration
@pytest.mark.timeout(240)
def test_what_streams_by_becomes_the_next_model(
    stack: LocalStack, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_AUDIT_FILE", str(tmp_path / "audit.jsonl"))
    now_ms = int(time.time() * 1000)
    past = list(replay(load_cohort([learnable_file(tmp_path, N_PAST)]), now_ms - 300 * HOUR_MS))
    clock_ms = now_ms - 150 * HOUR_MS
    clock = {"patient_id": "clock", "time": clock_ms, "values": {"heart_rate": 80}}
    later = load_cohort([learnable_file(tmp_path, 60, seed=1, first_id=500)])
    live = [m for m in replay(later, now_ms - 70 * HOUR_MS) if m.topic == "vitals"]

    registry = Registry(tmp_path / "registry", Trust(allow_unsigned=True))
    useless = registry.promote(registry.add(useless_champion(), ""), "first")
    root = tmp_path / "archive"
    with (
        LocalStack(existing_kafka=stack.kafka) as own,  # published models are one for a Redis
        Redis.from_url(own.redis) as redis,
        service(own, tmp_path, topic_prefix, risk_interval=0) as (process, client),
    ):
        channel = RedisModels(redis)
        plan = Plan([f"{SCHEME}{root}"], n_bootstrap=0)
        loop = OnFewStays(plan, registry, channel, Lease(redis), threading.Event())
        data = ASKS.data.model_copy(update={"least_septic_fit": 10_000})  # a fit anew takes long
        loop.few = ASKS.model_copy(update={"data": data})
        loop.begin()
        # Stream and archive.
        send(client.settings, [*past, Message(clock_ms, "vitals", "clock", clock)])
        archive(own, topic_prefix, root)
        # Fold, label, run: the candidate passes every gate, and waits for a person.
        asks = loop.once("once")
        assert asks.ended == "asks", asks
        assert read_archive(ArchiveSource(root)).counts["labelled"] == N_PAST
        assert asks.data is not None
        assert (asks.data.n_stays, asks.data.counts["unlabelled"]) == (N_PAST, 0)
        assert channel.champion() == loop.begin()
        model = asks.candidate or ""

        # A person promotes while events come; the service is killed in the swap.
        sending = threading.Thread(target=send, args=(client.settings, live, 70 * 3600 / 10))
        sending.start()
        wait_for_risks(client, useless, 1)
        refuse_closed(registry, model)
        publishing.promote(registry, channel, model, "read it")
        note_promoted(registry, model, "Dr. A", "read it")
        wait_for_risks(client, model, 1)
        process.kill()
        process.start()
        sending.join()

        # Run 2 learns from exchanged outcomes, and is kept out.
        outcomes = [m for m in past if m.topic == "outcomes"]
        send(client.settings, exchanged(outcomes))
        archive(own, topic_prefix, root)
        monkeypatch.setattr(runs, "run_child", in_process)
        kept = loop.once("sabotaged")
        assert kept.ended == "kept", kept
        assert kept.candidate is not None
        assert kept.data is not None
        assert kept.data.n_septic != asks.data.n_septic  # the sabotage was learned from
        with pytest.raises(GateClosed):
            refuse_closed(registry, kept.candidate)

        # Rollback; what was rolled back is in quarantine.
        publishing.rollback(registry, channel, "for a test")
        assert registry.aliases().quarantined == (model,)
        back = 0  # events until the service has the earlier model again, in both partitions
        while {r["partition"] for r in client.risks if r["patient_id"].startswith("late-")
               and r["model"] == useless[:12]} != {0, 1}:  # fmt: skip
            client.risk_of(client.event(f"late-{back}", values={"heart_rate": 70}))
            back += 1
            assert back < 200
        n_vitals = len([m for m in past if m.topic == "vitals"]) + len(live) + 1 + back
        judge(client, {m: registry.folder / "bundles" / m for m in (useless, model)}, n_vitals)


def in_process(order: Any, folder: Path, *_: object) -> Report:
    # Loaded here: PyTorch takes two seconds of each process that collects tests.
    from trainer.loop.making import make  # noqa: PLC0415

    return make(order, folder)


def archive(stack: LocalStack, prefix: str, root: Path) -> None:
    """Archives what the topics hold, as people do."""
    variables = environment(stack, prefix, partitions=2) | {
        "TRAINER_ARCHIVE": str(root), "TRAINER_ARCHIVE_KEY": "secret",
        "TRAINER_ARCHIVE_FLUSH_S": "0", "TRAINER_GROUP": f"{prefix}archive",
        "TRAINER_HTTP_PORT": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "trainer", "archive", "run", "--exit-when-idle", "4"],
        env=os.environ | variables,
        check=True,
        timeout=120,
        capture_output=True,
    )


def wait_for_risks(client: ServiceClient, model: str, n: int) -> None:
    def enough() -> bool:
        client.collect()
        return [r["model"] for r in client.risks].count(model[:12]) >= n

    wait_until(enough, DEADLINE_S, f"{n} risks of {model[:12]}")


def judge(client: ServiceClient, models: dict[str, Path], n_vitals: int) -> None:
    """Each record has its one risk, of the model of its time; alerts begin and end once."""

    def all_there() -> bool:
        client.collect()
        return len({(r["partition"], r["offset"]) for r in client.risks}) >= len(expected)

    oracles = {model[:12]: expected_risks(client, path) for model, path in models.items()}
    (expected, *_) = oracles.values()
    wait_until(all_there, DEADLINE_S, "a risk for each record")
    assert not client.rejected
    places = Counter((r["partition"], r["offset"]) for r in client.risks)
    assert set(places) == set(expected)
    assert set(places.values()) == {1}
    assert len(expected) > n_vitals * 0.9  # admissions and discharges cause none
    order = defaultdict[int, list[str]](list)
    for risk in client.risks:
        place = risk["partition"], risk["offset"]
        assert risk["risk"] == pytest.approx(oracles[risk["model"]][place], abs=1e-6), risk
        by_partition = order[risk["partition"]]
        if by_partition[-1:] != [risk["model"]]:
            by_partition.append(risk["model"])
    first, second = (model[:12] for model in models)
    assert dict(order) == {0: [first, second, first], 1: [first, second, first]}
    for phase in ("start", "end"):
        counted = Counter(a["alert_id"] for a in client.alerts if a["phase"] == phase)
        assert set(counted.values()) <= {1}
