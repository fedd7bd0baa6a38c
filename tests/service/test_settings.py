from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from streamer.service.settings import Settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("STREAMER_") or name in {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"}:
            monkeypatch.delenv(name)


def settings_of(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_the_defaults_are_of_this_machine() -> None:
    settings = Settings()
    assert settings.kafka_connection() == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "PLAINTEXT",
    }
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.interval_ms == 60_000
    assert settings.future_limit_ms == 3_600_000
    assert settings.partitions == 8


def test_the_names_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(
        monkeypatch,
        KAFKA_BOOTSTRAP_SERVERS="a:1,b:2",
        REDIS_URL="redis://c:3/4",
        STREAMER_RISK_INTERVAL="0.5",
        STREAMER_FUTURE_LIMIT="-1",
        STREAMER_TOPIC_VITALS="icu.vitals",
        STREAMER_KAFKA_SESSION_TIMEOUT_MS="9000",
    )
    assert settings.kafka_connection()["bootstrap_servers"] == ["a:1", "b:2"]
    assert settings.redis_url == "redis://c:3/4"
    assert settings.interval_ms == 500
    assert settings.future_limit_ms is None
    assert settings.topic_vitals == "icu.vitals"
    assert settings.kafka_session_timeout_ms == 9000


def test_every_wrong_setting_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "STREAMER_PARTITIONS": "0",
        "STREAMER_RISK_INTERVAL": "often",
        "STREAMER_HTTP_PORT": "70000",
        "STREAMER_REBUILD_HOURS": "0",
        "STREAMER_LOG_FORMAT": "xml",
        "STREAMER_KAFKA_SECURITY_PROTOCOL": "TLS",
    }
    with pytest.raises(ValidationError) as errors:
        settings_of(monkeypatch, **wrong)
    fields = {f"STREAMER_{error['loc'][0]}".upper() for error in errors.value.errors()}
    assert fields == set(wrong)


SASL = {
    "STREAMER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "STREAMER_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "STREAMER_KAFKA_SASL_USERNAME": "vigil",
    "STREAMER_KAFKA_SASL_PASSWORD": "s3cret",
}


def test_sasl_reaches_the_clients_and_no_one_else(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, **SASL, STREAMER_KAFKA_SSL_CAFILE="/ca.pem")
    assert settings.kafka_connection() == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "vigil",
        "sasl_plain_password": "s3cret",
        "ssl_cafile": "/ca.pem",
    }
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings.kafka_sasl_password)


@pytest.mark.parametrize("missing", list(SASL)[1:])
def test_incomplete_sasl_settings_are_an_error(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    with pytest.raises(ValidationError, match=missing):
        settings_of(monkeypatch, **{name: value for name, value in SASL.items() if name != missing})
