from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from streamer.adapters.redis.local import announced
from streamer.process.environment import fault_lines
from streamer.service.settings import Settings
from tests.support.certificates import Authority


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
    assert settings.redis() == "redis://127.0.0.1:6379/0"
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
    assert settings.redis() == "redis://c:3/4"
    assert settings.interval_ms == 500
    assert settings.future_limit_ms is None
    assert settings.topic_vitals == "icu.vitals"
    assert settings.kafka_session_timeout_ms == 9000


def test_every_wrong_setting_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "STREAMER_PARTITIONS": "0",
        "STREAMER_RISK_INTERVAL": "often",
        "STREAMER_HTTP_PORT": "70000",
        "STREAMER_LOG_FORMAT": "xml",
        "STREAMER_KAFKA_SECURITY_PROTOCOL": "TLS",
    }
    with pytest.raises(ValidationError) as errors:
        settings_of(monkeypatch, **wrong)
    assert {error["loc"][0] for error in errors.value.errors()} == set(wrong)


SASL = {
    "STREAMER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "STREAMER_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "STREAMER_KAFKA_SASL_USERNAME": "vigil",
    "STREAMER_KAFKA_SASL_PASSWORD": "s3cret",
}


def test_sasl_reaches_the_clients_and_no_one_else(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    ca = str(authority.ca)
    settings = settings_of(monkeypatch, **SASL, STREAMER_KAFKA_SSL_CAFILE=ca)
    connection = settings.kafka_connection()
    assert connection.pop("sasl_plain_password")() == "s3cret"
    assert connection == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "vigil",
        "ssl_cafile": ca,
    }
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings.kafka_sasl_password)


@pytest.mark.parametrize("missing", list(SASL)[1:])
def test_incomplete_sasl_settings_are_an_error(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    with pytest.raises(ValidationError, match=missing):
        settings_of(monkeypatch, **{name: value for name, value in SASL.items() if name != missing})


def lines_of(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    with pytest.raises(ValidationError) as error:
        settings_of(monkeypatch, **environment)
    return fault_lines(error.value)


@pytest.mark.parametrize(
    ("brokers", "way_out"),
    [
        ('"kafka:9092"', "quotes"),
        ("'kafka:9092'", "quotes"),
        ("kafka:9092 ", "blanks"),
        ("kafka:9092, other:9092", "' other:9092', which is no host:port"),
        ("kafka:9092,", "an empty entry"),
        ("", "is empty"),
        ("kafka", "'kafka', which is no host:port"),
        ("kafka:", "no host:port"),
        ("kafka:port", "no host:port"),
        ("kafka:0", "no host:port"),
        ("kafka:65536", "no host:port"),
        ("[kafka:9092]", "no host:port"),
        ("kafka://kafka:9092", "write 'kafka:9092'"),
        ("SASL_SSL://kafka:9092", "STREAMER_KAFKA_SECURITY_PROTOCOL"),
        ("vigil:s3cret@kafka:9092", "user and password are settings of their own"),
    ],
)
def test_brokers_that_are_none_name_the_way_out(
    monkeypatch: pytest.MonkeyPatch, brokers: str, way_out: str
) -> None:
    (line,) = lines_of(monkeypatch, KAFKA_BOOTSTRAP_SERVERS=brokers)
    assert line.startswith("KAFKA_BOOTSTRAP_SERVERS: ")
    assert way_out in line
    assert "s3cret" not in line


@pytest.mark.parametrize("brokers", ["a:1,b:2", "10.0.0.1:9092", "[::1]:9092", "k-0.k.svc:9093"])
def test_brokers_that_are_some_are_taken(monkeypatch: pytest.MonkeyPatch, brokers: str) -> None:
    settings = settings_of(monkeypatch, KAFKA_BOOTSTRAP_SERVERS=brokers)
    assert settings.kafka_bootstrap_servers == brokers


@pytest.mark.parametrize(
    ("environment", "name", "way_out"),
    [
        ({"SASL_PASSWORD": "x"}, "SASL_PASSWORD", "set it to SASL_SSL"),
        ({"SASL_MECHANISM": "PLAIN"}, "SASL_MECHANISM", "set it to SASL_SSL"),
        ({"OAUTH_URL": "https://x"}, "OAUTH_URL", "set it to SASL_SSL"),
        ({"SSL_CAFILE": "/ca.pem"}, "SSL_CAFILE", "all would go in plain text"),
        ({"SSL_CERTFILE": "/c.pem"}, "SSL_CERTFILE", "set it to SSL or SASL_SSL"),
        (
            {"SECURITY_PROTOCOL": "SSL", "SASL_PASSWORD": "x"},
            "SASL_PASSWORD",
            "STREAMER_KAFKA_SECURITY_PROTOCOL is SSL",
        ),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "SASL_MECHANISM", "is missing"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_CAFILE": "/ca.pem"}, "SSL_CAFILE", "No such file"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_PASSWORD": "x"}, "SSL_PASSWORD", "KAFKA_SSL_CERTFILE"),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER",
             "OAUTH_TOKEN_FILE": "/token"},
            "OAUTH_TOKEN_FILE",
            "No such file",
        ),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], name: str, way_out: str
) -> None:
    """Each of these ran in plain text, or with a part of the settings unused, without a word."""
    variables = {f"STREAMER_KAFKA_{name}": value for name, value in environment.items()}
    (line,) = lines_of(monkeypatch, **variables)
    assert line.startswith(f"STREAMER_KAFKA_{name}: ")
    assert way_out in line


def test_oauth_needs_a_file_or_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    oauth = {
        "STREAMER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "STREAMER_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
    }
    lines = lines_of(monkeypatch, **oauth)
    assert [line.partition(":")[0] for line in lines] == [
        f"STREAMER_KAFKA_OAUTH_{name}" for name in ("URL", "CLIENT_ID", "CLIENT_SECRET")
    ]
    endpoint = {
        "STREAMER_KAFKA_OAUTH_CLIENT_ID": "vigil",
        "STREAMER_KAFKA_OAUTH_CLIENT_SECRET": "s3cret",
    }
    (line,) = lines_of(monkeypatch, **endpoint, STREAMER_KAFKA_OAUTH_URL="http://login.example")
    assert "https" in line
    for broken in ("https://[x", "https://login.example:port/"):
        lines = lines_of(monkeypatch, STREAMER_KAFKA_OAUTH_URL=broken, STREAMER_PARTITIONS="0")
        assert [line.partition(":")[0] for line in lines] == [
            "STREAMER_KAFKA_OAUTH_URL", "STREAMER_PARTITIONS",
        ]  # fmt: skip
    monkeypatch.delenv("STREAMER_PARTITIONS")
    settings = settings_of(monkeypatch, STREAMER_KAFKA_OAUTH_URL="https://login.example/token")
    assert "s3cret" not in repr(settings) + repr(settings.kafka)
    assert "sasl_plain_password" not in settings.kafka_connection()


def test_a_client_certificate_reaches_the_clients(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    own = authority.issue("vigil", password="s3cret")
    tls = {
        "STREAMER_KAFKA_SECURITY_PROTOCOL": "SSL",
        "STREAMER_KAFKA_SSL_CERTFILE": str(own.certificate),
        "STREAMER_KAFKA_SSL_KEYFILE": str(own.key),
    }
    for password in ("", "wrong"):
        (line,) = lines_of(monkeypatch, **tls, STREAMER_KAFKA_SSL_PASSWORD=password)
        assert line == "STREAMER_KAFKA_SSL_PASSWORD: does not open the private key"
    connection = settings_of(monkeypatch, STREAMER_KAFKA_SSL_PASSWORD="s3cret").kafka_connection()
    assert connection.pop("ssl_password")() == "s3cret"
    assert connection["ssl_certfile"] == str(own.certificate)
    other = authority.issue("other").key
    (line,) = lines_of(
        monkeypatch, STREAMER_KAFKA_SSL_KEYFILE=str(other), STREAMER_KAFKA_SSL_PASSWORD=""
    )
    assert line.startswith("STREAMER_KAFKA_SSL_KEYFILE: is not the key of the certificate")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STREAMER_TOPIC_VITALS", "icu vitals"),
        ("STREAMER_TOPIC_RISK", ".."),
        ("STREAMER_TOPIC_RISK", "risk/1"),
        ("STREAMER_GROUP", "icu {1}"),
        ("STREAMER_KAFKA_SESSION_TIMEOUT_MS", "400000"),
        ("STREAMER_KAFKA_SESSION_TIMEOUT_MS", "999"),
        ("STREAMER_RISK_INTERVAL", "nan"),
        ("STREAMER_FUTURE_LIMIT", "inf"),
        ("STREAMER_RISK_INTERVAL", "1e20"),
        ("STREAMER_RISK_INTERVAL", "0.0004"),
        ("STREAMER_FUTURE_LIMIT", "1e20"),
        ("STREAMER_FUTURE_LIMIT", "0.0004"),
        ("STREAMER_REPLICATION", "1000"),
        ("STREAMER_TOPIC_RISK", "vitals"),
    ],
)
def test_values_that_a_broker_would_refuse_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (line,) = lines_of(monkeypatch, **{name: value})
    assert line.startswith(f"{name}: ")


def test_a_secret_file_changes_while_the_service_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, password = tmp_path / "url", tmp_path / "password"
    url.write_text("redis://:one@h:1/0\n")
    password.write_text("one")
    without = {name: value for name, value in SASL.items() if not name.endswith("PASSWORD")}
    settings = settings_of(
        monkeypatch,
        **without,
        REDIS_URL_FILE=str(url),
        STREAMER_KAFKA_SASL_PASSWORD_FILE=str(password),
    )
    read = settings.kafka_connection()["sasl_plain_password"]
    assert (settings.redis(), read()) == ("redis://:one@h:1/0", "one")
    url.write_text("redis://:two@h:1/0\n")
    password.write_text("two")
    assert (settings.redis(), read()) == ("redis://:two@h:1/0", "two")


def test_unsigned_models_are_allowed_by_the_switch_or_in_the_world_of_streamer_up_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("STREAMER_ALLOW_UNSIGNED_MODELS", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    key = "icu:" + base64.b64encode(bytes(32)).decode()
    assert not Settings().trust().allow_unsigned
    with announced("redis://:secret@127.0.0.1:6379/0"):
        assert Settings().trust().allow_unsigned
        monkeypatch.setenv("REDIS_URL", "redis://redis.example:6379/0")
        assert not Settings().trust().allow_unsigned, "another Redis than that of this machine"
        monkeypatch.delenv("REDIS_URL")
        monkeypatch.setenv("STREAMER_ALLOW_UNSIGNED_MODELS", "false")
        assert not Settings().trust().allow_unsigned
    monkeypatch.setenv("STREAMER_ALLOW_UNSIGNED_MODELS", "true")
    monkeypatch.setenv("STREAMER_MODEL_KEYS", key)
    trust = Settings().trust()
    assert trust.allow_unsigned
    assert [str(one) for one in trust.keys] == [key]
    monkeypatch.setenv("STREAMER_MODEL_KEYS", f"{key},broken")
    with pytest.raises(ValidationError, match="not a public key"):
        Settings()
