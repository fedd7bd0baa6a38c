"""Settings under which the promises do not hold are reported, each with the way out."""

from __future__ import annotations

import contextlib

import pytest
from kafka import KafkaAdminClient
from redis import Redis

from bench.services import environment, settings_of
from streamer.adapters.kafka.topics import TopicSettings
from streamer.adapters.redis.server import ServerReport
from streamer.adapters.redis.url import Form
from streamer.diagnose.checks import checks
from streamer.diagnose.durability import (
    check_compression,
    check_output_topic,
    check_redis,
    check_rejected_topic,
    check_topic,
)
from streamer.diagnose.finding import Finding, Level
from streamer.local import LocalStack
from streamer.service.topics import ensure_topics

GOOD = {
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "cleanup.policy": "delete",
    "retention.ms": "2592000000",
    "retention.bytes": "-1",
}
GOOD_REDIS = {
    "redis_version": "7.2.4", "maxmemory_policy": "noeviction", "role": "master", "aof_enabled": 1,
}  # fmt: skip
GOOD_CONFIGS = {"appendfsync": "everysec", "min-replicas-to-write": "1"}


def topic(replicas: int = 3, **changed: str) -> TopicSettings:
    return TopicSettings(
        "vitals", replicas, GOOD | {k.replace("_", "."): v for k, v in changed.items()}
    )


def redis_findings(
    info: dict[str, object], configs: dict[str, str], form: Form = Form.SERVER
) -> list[Finding]:
    mode = "cluster" if form is Form.CLUSTER else "standalone"
    report = ServerReport("", GOOD_REDIS | {"redis_mode": mode} | info, GOOD_CONFIGS | configs)
    return list(check_redis(report, form))


def test_good_settings_are_not_mentioned() -> None:
    assert not list(check_topic(topic(), is_input=True))
    for form in Form:
        assert not redis_findings({"connected_slaves": 2}, {}, form)


@pytest.mark.parametrize(
    ("kept", "level", "message"),
    [
        (topic(replicas=1, min_insync_replicas="1"), Level.WARN, "one replica"),
        (topic(min_insync_replicas="1"), Level.BAD, "Set it to 2"),
        (topic(min_insync_replicas="3"), Level.WARN, "Set min.insync.replicas to 2"),
        (topic(replicas=2), Level.WARN, "needs all of its 2 replicas"),
        (topic(unclean_leader_election_enable="true"), Level.BAD, "unclean leader election"),
        (topic(cleanup_policy="compact,delete"), Level.BAD, "is compacted"),
        (topic(retention_ms="3600000"), Level.BAD, "is kept for 1 h"),
        (topic(retention_bytes="1000000"), Level.WARN, "retention.bytes"),
    ],
)
def test_a_weak_setting_of_a_topic_is_reported(
    kept: TopicSettings, level: Level, message: str
) -> None:
    (finding,) = check_topic(kept, is_input=True)
    assert finding.level is level
    assert message in finding.message


def test_only_the_input_topic_needs_retention() -> None:
    assert not list(check_topic(topic(retention_ms="1", cleanup_policy="compact")))
    assert not list(check_topic(topic(retention_ms="-1"), is_input=True))


def test_the_rejected_topic_must_take_the_largest_record() -> None:
    assert not list(check_rejected_topic(topic(max_message_bytes=str(16 * 1024 * 1024))))
    for most in ("1048588", str(16 * 1024 * 1024 - 1)):
        (finding,) = check_rejected_topic(topic(max_message_bytes=most))
        assert finding.level is Level.BAD
        assert f"{most} bytes" in finding.message
        assert "Set max.message.bytes to 16777216" in finding.message


@pytest.mark.parametrize(
    ("info", "configs", "level", "message"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, {}, Level.BAD, "maxmemory-policy is allkeys-lru"),
        ({"role": "slave"}, {}, Level.BAD, "read-only replica"),
        ({"aof_enabled": 0}, {}, Level.WARN, "appendonly is off"),
        ({"redis_version": "6.2.14"}, {}, Level.WARN, "is version 6.2.14, which nobody tried"),
        ({}, {"appendfsync": "no"}, Level.WARN, "appendfsync is no"),
        ({"connected_slaves": 1}, {"min-replicas-to-write": "0"}, Level.WARN, "min-replicas"),
    ],
)
def test_a_weak_setting_of_redis_is_reported(
    info: dict[str, object], configs: dict[str, str], level: Level, message: str
) -> None:
    (finding,) = redis_findings(info, configs)
    assert finding.level is level
    assert message in finding.message


@pytest.mark.parametrize(
    ("mode", "form", "message"),
    [
        ("cluster", Form.SERVER, "redis+cluster://"),
        ("cluster", Form.SENTINEL, "redis+cluster://"),
        ("sentinel", Form.SERVER, "redis+sentinel://"),
    ],
)
def test_another_kind_of_redis_than_the_url_says_is_bad(
    mode: str, form: Form, message: str
) -> None:
    findings = redis_findings({"redis_mode": mode, "connected_slaves": 1}, {}, form)
    assert [finding.level for finding in findings] == [Level.BAD]
    assert message in findings[0].message


@pytest.mark.parametrize("form", [Form.SENTINEL, Form.CLUSTER])
def test_a_failover_without_a_replica_is_reported(form: Form) -> None:
    (finding,) = redis_findings({"connected_slaves": 0}, {}, form)
    assert finding.level is Level.WARN
    assert "nothing to fail over to" in finding.message


def test_check_looks_at_the_real_ones(stack: LocalStack, topic_prefix: str) -> None:
    with LocalStack(existing_kafka=stack.kafka) as own:
        settings = settings_of(environment(own, topic_prefix, partitions=1))
        weak = {
            "num_partitions": 2,  # by somebody who chose another number than the service
            "replication_factor": 1,
            "configs": {"unclean.leader.election.enable": "true", "retention.ms": "60000"},
        }
        small = {"num_partitions": 1, "replication_factor": 1}
        narrow = (settings.topic_rejected, settings.topic_alerts)
        topics = {settings.topic_vitals: weak, **dict.fromkeys(narrow, small)}
        with contextlib.closing(KafkaAdminClient(**settings.kafka_connection())) as admin:
            admin.create_topics(topics, wait_for_metadata=True)
        created = {topic.name: topic.partitions for topic in ensure_topics(settings)}
        assert created[settings.topic_risk] == 2
        with contextlib.closing(Redis.from_url(own.redis_admin)) as redis:
            redis.config_set("appendfsync", "no")
            redis.config_set("maxmemory-policy", "volatile-lru")
        bad = [f.message for f in checks(settings) if f.level is not Level.OK]
    for part in ("unclean leader election", "is kept for 0.0167 h", "one replica"):
        assert any(text.startswith(settings.topic_vitals) and part in text for text in bad)
    needed = (
        f"wider topics: {settings.topic_vitals} has 2 partitions, {settings.topic_alerts} has 1"
    )
    assert any(text.startswith(needed) for text in bad)
    assert any(text.startswith(f"{settings.topic_rejected} takes messages of") for text in bad)
    for part in ("appendfsync is no", "maxmemory-policy is volatile-lru"):
        assert any(part in text for text in bad)


def test_an_output_that_takes_little_at_once_is_bad() -> None:
    assert not list(check_output_topic(topic(max_message_bytes="1048588")))
    (finding,) = check_output_topic(topic(max_message_bytes="100000"))
    assert finding.level is Level.BAD
    assert "takes 100000 bytes at once" in finding.message


def test_the_compression_of_the_input_is_named() -> None:
    assert "as their producers send them" in check_compression(topic()).message
    assert "with zstd" in check_compression(topic(compression_type="zstd")).message
