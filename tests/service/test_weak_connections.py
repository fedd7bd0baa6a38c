from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.services import settings_of
from streamer.diagnose import checks
from streamer.diagnose.finding import Level
from streamer.service.weak_connections import exposed_port, weak_choices
from tests.support.certificates import Authority

CANARY = "c4nary"
FAR = {"KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092", "REDIS_URL": "redis://redis.example"}


def strong(authority: Authority) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9093",
        "REDIS_URL": f"rediss://u:{CANARY}@redis.example?ssl_ca_certs={authority.ca}",
        "STREAMER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "STREAMER_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "STREAMER_KAFKA_SASL_USERNAME": "u",
        "STREAMER_KAFKA_SASL_PASSWORD": CANARY,
        "STREAMER_KAFKA_SSL_CAFILE": str(authority.ca),
    }


def test_what_stays_on_this_machine_is_not_weak() -> None:
    assert not list(weak_choices(settings_of({})))
    assert not list(weak_choices(settings_of({"REDIS_URL": "unix:///run/redis.sock"})))


def test_strong_connections_are_not_weak(authority: Authority) -> None:
    assert not list(weak_choices(settings_of(strong(authority))))


def test_each_weak_choice_is_named_with_its_way_out() -> None:
    weak = list(weak_choices(settings_of(FAR)))
    assert len(weak) == 4
    for message, way_out in zip(
        weak,
        ("STREAMER_KAFKA_SECURITY_PROTOCOL", "_SASL_MECHANISM", "rediss", "deploy/acl/redis"),
        strict=True,
    ):
        assert way_out in message


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"STREAMER_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "STREAMER_KAFKA_SSL_CAFILE": "",
          "STREAMER_KAFKA_SASL_MECHANISM": "PLAIN"}, "shows the password"),
        ({"REDIS_URL": f"rediss://:{CANARY}@redis.example?ssl_cert_reqs=none"}, "no certificate"),
        ({"REDIS_URL": f"rediss://:{CANARY}@h?ssl_check_hostname=false"}, "of any server"),
        ({"REDIS_URL": f"redis://:{CANARY}@redis.example"}, "plain text"),
        ({"REDIS_URL": "rediss://redis.example"}, "has no password"),
        ({"STREAMER_FAULT": "after_save@1:kill"}, "fail on purpose"),
    ],
)  # fmt: skip
def test_one_weak_choice_among_strong_ones_is_seen(
    authority: Authority, changed: dict[str, str], words: str
) -> None:
    weak = "\n".join(weak_choices(settings_of(strong(authority) | changed)))
    assert words in weak
    assert CANARY not in weak


def test_the_port_of_metrics_beyond_this_machine_is_said() -> None:
    assert exposed_port(settings_of({})) is None
    assert (
        exposed_port(settings_of({"STREAMER_HTTP_HOST": "0.0.0.0", "STREAMER_HTTP_PORT": "0"}))
        is None
    )
    message = exposed_port(settings_of({"STREAMER_HTTP_HOST": "0.0.0.0"}))
    assert message is not None
    assert "0.0.0.0:8000" in message


@pytest.mark.parametrize(("required", "level"), [("false", Level.WARN), ("true", Level.BAD)])
def test_check_warns_and_with_require_tls_refuses(
    monkeypatch: pytest.MonkeyPatch, required: str, level: Level
) -> None:
    for name in ("_kafka", "_redis", "_model"):
        monkeypatch.setattr(checks, name, lambda _settings: iter(()))
    settings = settings_of({**FAR, "STREAMER_REQUIRE_TLS": required, "STREAMER_HTTP_PORT": "0"})
    levels = [finding.level for finding in checks.checks(settings) if finding.check == "security"]
    assert levels == [level] * 4


def test_the_service_refuses_to_run_with_weak_connections(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "streamer", "run"],
        env={"STREAMER_REQUIRE_TLS": "true", "HOME": str(tmp_path), **FAR},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 5
    assert "Traceback" not in ended.stderr
