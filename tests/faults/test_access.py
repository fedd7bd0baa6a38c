"""TLS, passwords and rights on real servers: what fails has words of its own, and nothing more is
asked for than what is granted."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import (
    ACLOperation,
)

from bench.services import ServiceProcess, environment, running, settings_of
from streamer.adapters.kafka import connections, topics
from streamer.adapters.kafka.read import committed_reader
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.models import RedisModels
from streamer.bundles.bundle import SHIPPED
from streamer.local import LocalStack
from streamer.local.ports import choose
from streamer.ports.log import LogNotAllowed, LogUnavailable
from streamer.service.topics import ensure_topics
from tests.support.access_rights import (
    Users,
    command,
    grant_in_kafka,
    make_redis_users,
    metric,
    reasons,
    rules_in_force,
)
from tests.support.certificates import Authority
from tests.support.secure_kafka import SecureKafka, secure_kafka, token_of
from tests.support.wait import wait_until
from trainer.registry.lease import Lease

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka(authority: Authority) -> Iterator[SecureKafka]:
    with secure_kafka(authority) as server:
        ensure_topics(settings_of({"KAFKA_BOOTSTRAP_SERVERS": server.address}))
        yield server


def failures(*trials: tuple[str, dict[str, str]]) -> list[LogUnavailable]:
    """The errors of clients at these addresses with these settings, all at once.

    The cause is noted by address, so each may come once.
    """
    connections._failures.clear()

    def fail(trial: tuple[str, dict[str, str]]) -> LogUnavailable:
        address, settings = trial
        variables = {f"STREAMER_KAFKA_{name.upper()}": value for name, value in settings.items()}
        wrong = settings_of({"KAFKA_BOOTSTRAP_SERVERS": address} | variables)
        with pytest.raises(LogUnavailable) as error:
            ensure_topics(wrong, create=False)
        return error.value

    with ThreadPoolExecutor(len(trials)) as threads:
        return list(threads.map(fail, trials))


def test_each_failure_of_a_connection_has_its_own_words(
    kafka: SecureKafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(topics, "_REACH_TIMEOUT_MS", 2_000)
    ca = str(kafka.authority.ca)
    stranger = Authority(tmp_path, "stranger")
    own = stranger.issue("client")
    tls = {"security_protocol": "SSL", "ssl_cafile": ca}
    sasl = {
        "security_protocol": "SASL_SSL", "ssl_cafile": ca, "sasl_mechanism": "PLAIN",
        "sasl_username": "streamer", "sasl_password": "streamer-s3cret",
    }  # fmt: skip
    unreachable = {
        (kafka.sasl, "may speak another protocol than PLAINTEXT"): {},
        (kafka.address, "speak TLS on this port"): tls,
        (kafka.misnamed, "certificate is for another name than 127.0.0.1"): tls,
        (kafka.mutual, "client certificate"): tls,
        ("127.0.0.1:1", "127.0.0.1:1 (from KAFKA_BOOTSTRAP_SERVERS): nothing listens"): {},
        ("no-such.invalid:9092", "the name no-such.invalid cannot be resolved"): {},
        (kafka.unknown, "the name no-such-broker.invalid cannot be resolved"): {},
        (kafka.unknown, "advertised.listeners"): {},
        (kafka.unknown, "KAFKA_BOOTSTRAP_SERVERS is right"): {},
    }
    trials = {address: settings for (address, _), settings in unreachable.items()}
    errors = dict(zip(trials, failures(*trials.items()), strict=True))
    for address, words in unreachable:
        assert words in str(errors[address]), (address, str(errors[address]))
        assert not isinstance(errors[address], LogNotAllowed)
    files = {"ssl_certfile": str(own.certificate), "ssl_keyfile": str(own.key)}
    unknown_ca, unknown_client = failures(
        (kafka.sasl, sasl | {"ssl_cafile": str(stranger.ca)}), (kafka.mutual, tls | files)
    )
    assert "not in STREAMER_KAFKA_SSL_CAFILE" in str(unknown_ca)
    assert "client certificate" in str(unknown_client)
    # The broker says that it lacks a mechanism, or just ends the connection.
    (mechanism,) = failures((kafka.sasl, sasl | {"sasl_mechanism": "SCRAM-SHA-512"}))
    assert "see STREAMER_KAFKA_SASL_MECHANISM" in str(mechanism)
    (password,) = failures((kafka.sasl, sasl | {"sasl_password": "wr0ng"}))
    assert "refuses user, password" in str(password)
    assert isinstance(password, LogNotAllowed)
    assert "wr0ng" not in str(password)


def test_a_token_from_a_file_opens_the_connection(kafka: SecureKafka, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token_of("streamer"))
    settings = settings_of(
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.sasl,
            "STREAMER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "STREAMER_KAFKA_SSL_CAFILE": str(kafka.authority.ca),
            "STREAMER_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "STREAMER_KAFKA_OAUTH_TOKEN_FILE": str(file),
        }
    )
    hidden = ensure_topics(settings, create=False)  # connected, without any right
    assert {topic.partitions for topic in hidden} == {0}


def test_a_client_certificate_opens_the_connection(kafka: SecureKafka) -> None:
    own = kafka.authority.issue("ward", password="s3cret")
    settings = settings_of(
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.mutual,
            "STREAMER_KAFKA_SECURITY_PROTOCOL": "SSL",
            "STREAMER_KAFKA_SSL_CAFILE": str(kafka.authority.ca),
            "STREAMER_KAFKA_SSL_CERTFILE": str(own.certificate),
            "STREAMER_KAFKA_SSL_KEYFILE": str(own.key),
            "STREAMER_KAFKA_SSL_PASSWORD": "s3cret",
        }
    )
    assert {topic.partitions for topic in ensure_topics(settings, create=False)} == {0}


# --- rights


def observation(patient: str, **values: float) -> bytes:
    content = {"patient_id": patient, "time": int(time.time() * 1000), "values": values}
    return json.dumps(content).encode()


SEPTIC = {
    "heart_rate": 125.0, "sbp": 85.0, "map": 55.0, "resp_rate": 30.0, "temperature": 39.4,
    "lactate": 6.0, "wbc": 22.0, "creatinine": 3.2, "platelets": 60.0,
}  # fmt: skip


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="the script needs redis-cli")
@pytest.mark.timeout(300)
def test_the_service_runs_under_exactly_the_shipped_rights(
    kafka: SecureKafka, tmp_path: Path, topic_prefix: str
) -> None:
    with LocalStack(existing_kafka=kafka.address) as stack:
        port = choose(None, "HTTP")
        names = environment(
            stack, topic_prefix, http_port=port, partitions=2, kafka_session_timeout_ms=6_000
        )
        as_admin = settings_of(names)
        denied_before = kafka.denials  # other tests use this broker without any right
        ensure_topics(as_admin)
        grant_in_kafka(kafka, tmp_path, names)
        make_redis_users(stack, tmp_path, names)
        user = Users(kafka, stack, names)
        service = ServiceProcess(user("streamer", STREAMER_INSTANCE="one"), tmp_path / "log")
        sender = settings_of(user("sender")).kafka_connection()
        viewer = settings_of(user("viewer"))
        with contextlib.ExitStack() as running_:
            running_.enter_context(running([service]))
            producer = running_.enter_context(contextlib.closing(KafkaProducer(**sender)))
            reader = running_.enter_context(
                contextlib.closing(
                    committed_reader(
                        viewer.kafka_connection(), viewer.topic_alerts, viewer.topic_rejected
                    )
                )
            )
            seen: list[Any] = []

            def arrived(topic: str, key: bytes | None) -> bool:
                for records in reader.poll(timeout_ms=50).values():
                    seen.extend(records)
                return any((record.topic, record.key) == (topic, key) for record in seen)

            for patient, deadline_s in (("p1", 20), ("p2", 40)):  # a dead member has 6 s
                wait_until(lambda: reasons(port) == [], deadline_s, "readiness")
                producer.send(
                    as_admin.topic_vitals, observation(patient, **SEPTIC), patient.encode()
                )
                producer.send(as_admin.topic_vitals, b"no event", patient.encode())
                for topic in (viewer.topic_alerts, viewer.topic_rejected):
                    wait_until(partial(arrived, topic, patient.encode()), 30, topic)
                if patient == "p1":
                    service.kill()
                    service.start()

            for arguments in (["patient", "p1"], ["rejected", "list"], ["check"]):
                shown = command(
                    user("viewer" if arguments != ["check"] else "streamer"), *arguments
                )
                assert shown.returncode == 0, (arguments, shown.stdout, shown.stderr)
            heard = command(user("canary", STREAMER_CANARY_SECONDS="20"), "canary", "--once")
            assert heard.returncode == 0, (heard.stdout, heard.stderr)
            replayed = command(user("replayer"), "rejected", "replay", "--yes")
            assert replayed.returncode == 0, replayed.stderr
            archive = tmp_path / "archive"
            kept = command(
                user("archiver", TRAINER_ARCHIVE=str(archive), TRAINER_ARCHIVE_KEY="of-a-test",
                     TRAINER_HTTP_PORT="0", TRAINER_ARCHIVE_FLUSH_S="1"),
                "archive", "run", "--exit-when-idle", "0", program="trainer",
            )  # fmt: skip
            assert kept.returncode == 0, kept.stderr
            assert list(archive.glob("events/**/*.parquet"))
            with connect(user("trainer")["REDIS_URL"]) as redis:
                lease = Lease(redis)
                assert lease.acquire()
                assert lease.is_newest()
                lease.release()
                bundle = (SHIPPED / "manifest.json").read_bytes()
                RedisModels(redis).publish("not-a-model", bundle, 0)
            with connect(stack.redis_admin) as admin:
                admin.delete("{vigil:models}:champion")
                assert kafka.denials == denied_before
                assert admin.acl_log() == []
                _refusals_have_their_own_words(user, admin, port, kafka)


def _canaries_are_left_out_and_patients_go_on(user: Users, port: int, kafka: SecureKafka) -> None:
    """Without the right to write a canary's topics the service works, and says it once."""
    settings = settings_of(user("streamer"))
    topics_of_canaries = {settings.topic_risk_canary, settings.topic_alerts_canary}
    rules = [
        rule
        for rule in rules_in_force(kafka)
        if rule.resource_pattern.resource_name in topics_of_canaries
        and rule.principal == "User:streamer"
    ]
    assert {rule.operation for rule in rules} >= {ACLOperation.WRITE}
    viewer = settings_of(user("viewer"))
    sender = settings_of(user("sender"))
    with contextlib.ExitStack() as opened:
        admin = opened.enter_context(
            contextlib.closing(KafkaAdminClient(bootstrap_servers=kafka.address))
        )
        out = opened.enter_context(contextlib.closing(KafkaProducer(**sender.kafka_connection())))
        risks = opened.enter_context(
            contextlib.closing(committed_reader(viewer.kafka_connection(), viewer.topic_risk))
        )
        admin.delete_acls(rules)
        unheard = command(user("canary", STREAMER_CANARY_SECONDS="12"), "canary", "--once")
        assert unheard.returncode == 1, unheard.stdout
        out.send(sender.topic_vitals, observation("p5", heart_rate=80.0), b"p5")
        wait_until(
            lambda: any(
                record.key == b"p5"
                for records in risks.poll(timeout_ms=50).values()
                for record in records
            ),
            30,
            "the risk of a patient",
        )
        assert reasons(port) == []
        assert metric(port, "vigil_topics_left_out") == 2
        shown = command(user("streamer"), "check")
        assert f"{settings.topic_risk_canary} is missing, or hidden" in shown.stdout
        admin.create_acls(rules)
        wait_until(lambda: metric(port, "vigil_topics_left_out") == 0, 30, "the topics")


def _refusals_have_their_own_words(user: Users, admin: Any, port: int, kafka: SecureKafka) -> None:
    """What is not allowed is never "away" nor "nothing is known", and heals when it is granted."""

    def kinds() -> set[tuple[str, str | None]]:
        return {(str(r["kind"]), r.get("waiting_on")) for r in reasons(port) or ()}

    admin.execute_command("ACL", "SETUSER", "streamer", "-evalsha")
    sender = settings_of(user("sender"))
    with contextlib.closing(KafkaProducer(**sender.kafka_connection())) as out:
        out.send(sender.topic_vitals, observation("p3", heart_rate=80.0), b"p3")
    wait_until(lambda: kinds() == {("not_allowed", "store")}, 30, "the reason of Redis")
    (reason,) = reasons(port) or []
    assert "Redis does not allow it" in reason["says"]
    assert "deploy/acl/redis" in reason["says"]
    admin.execute_command("ACL", "SETUSER", "streamer", "+evalsha")
    wait_until(lambda: reasons(port) == [], 30, "readiness")

    risk = settings_of(user("streamer")).topic_risk
    rules = [rule for rule in rules_in_force(kafka) if rule.resource_pattern.resource_name == risk]
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=kafka.address)) as kafka_admin:
        kafka_admin.delete_acls(rules)
        with contextlib.closing(KafkaProducer(**sender.kafka_connection())) as out:
            out.send(sender.topic_vitals, observation("p4", heart_rate=80.0), b"p4")
        wait_until(lambda: kinds() == {("not_allowed", "log")}, 60, "the reason of Kafka")
        kafka_admin.create_acls(rules)
    wait_until(lambda: reasons(port) == [], 60, "readiness")

    _canaries_are_left_out_and_patients_go_on(user, port, kafka)
    hidden = command(user("sender"), "alerts", "--from-beginning", "--json")
    assert hidden.returncode == 1
    assert "Kafka does not allow this user to use a topic" in hidden.stderr
    for arguments in (["rejected", "list"], ["patient", "p1"]):
        hidden = command(user("sender"), *arguments)
        if arguments[0] == "rejected":
            assert hidden.returncode == 1
            assert "does not allow" in hidden.stderr
    wrong = command(user("viewer", REDIS_URL="redis://viewer:wr0ng@127.0.0.1:1/0"), "patient", "p1")
    assert "wr0ng" not in wrong.stdout + wrong.stderr
