from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import SecretStr

from streamer.adapters.memory.models import MemoryModels
from streamer.bundles.build import make
from streamer.diagnose import checks
from streamer.diagnose.finding import Finding, Level
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreNotAllowed, StoreUnavailable
from streamer.service.health import Health
from streamer.service.http import as_json, serving, serving_routes
from streamer.service.settings import Settings
from tests.service.test_http import free_port
from tests.support.paths import ROOT
from tests.support.small_models import balanced, forecasting_model, random_bundle


def findings(monkeypatch: pytest.MonkeyPatch, port: int, key: str = "") -> dict[str, Finding]:
    """The findings of a check that has no Kafka nor Redis to look at."""
    for name in ("_kafka", "_redis", "_model"):
        monkeypatch.setattr(checks, name, lambda _settings: iter(()))
    settings = Settings(http_port=port, log_key=SecretStr(key))
    return {finding.check: finding for finding in checks.checks(settings)}


def test_settings_are_shown_as_the_readme_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line can be copied into an env file."""
    monkeypatch.delenv("STREAMER_AUDIT_FILE")  # of all tests
    rows = re.findall(
        r"^\| `(STREAMER_\w+|KAFKA_\w+)` \| (.+?) \|",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )
    nothing = ("(empty)", "(unset)")
    defaults = {name: "" if shown in nothing else shown.strip("`") for name, shown in rows}
    lines = [finding.message for finding in checks._configuration(Settings())]
    shown = dict(line.split("=", 1) for line in lines)
    shown.pop("REDIS_URL")  # that of a stack on this machine, where one runs
    assert shown == defaults


def test_a_service_on_this_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    health = Health()
    with serving("127.0.0.1", free_port(), health) as port:
        assert port is not None
        health.note_outage(StoreUnavailable("Redis: away"))
        finding = findings(monkeypatch, port)["service"]
        assert finding.level is Level.WARN
        assert finding.message.endswith("is not ready: waiting for Redis: away")
        health.observe([], {})
        finding = findings(monkeypatch, port)["service"]
        assert (finding.level, finding.message) == (Level.OK, f"at 127.0.0.1:{port} is ready")


def test_without_a_service_on_this_machine_the_check_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    finding = findings(monkeypatch, port)["service"]
    assert (finding.level, finding.message) == (Level.OK, f"none runs at 127.0.0.1:{port}")
    assert "service" not in findings(monkeypatch, 0)


def test_a_canary_on_this_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = {"/readyz": lambda: as_json({"reasons": ["no canary of partition 3 was heard"]})}
    with serving_routes("127.0.0.1", free_port(), routes) as port:
        monkeypatch.setenv("STREAMER_CANARY_HTTP_PORT", str(port))
        finding = findings(monkeypatch, 0)["canary"]
    assert finding.level is Level.WARN
    assert finding.message.endswith("is not ready: no canary of partition 3 was heard")
    finding = findings(monkeypatch, 0)["canary"]
    assert finding.level is Level.OK
    assert "`streamer canary` proves" in finding.message


@contextmanager
def another_program(body: bytes) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("body", [b"hello", b"{}", b"[]", b'{"reasons": 3}', b"\xff"])
def test_another_program_on_the_port_is_reported(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    with another_program(body) as port:
        finding = findings(monkeypatch, port)["service"]
    assert finding.level is Level.WARN
    assert "is used by another program" in finding.message
    assert "STREAMER_HTTP_PORT" in finding.message


def test_the_key_of_the_log_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with_key = findings(monkeypatch, 0, "a secret of the ward")
    assert "same pseudonym" in with_key["log"].message
    assert not any("secret" in finding.message for finding in with_key.values())
    assert "not set" in findings(monkeypatch, 0)["log"].message


@pytest.mark.parametrize("has_head", [True, False])
def test_forecasts_are_asked_of_the_model_in_force(
    monkeypatch: pytest.MonkeyPatch, has_head: bool
) -> None:
    models = MemoryModels()
    bundle = make(balanced(forecasting_model()), {}, "") if has_head else random_bundle()
    models.publish(bundle.model_id, bundle.to_bytes(), 0)
    monkeypatch.setattr(checks, "RedisModels", lambda _client: models)
    settings = Settings(forecast=True, allow_unsigned_models=True)
    levels = {finding.check: finding.level for finding in checks._model(settings)}
    expected = {"model": Level.OK, "trust": Level.WARN}
    assert levels == expected | ({} if has_head else {"forecast": Level.WARN})
    assert "forecast" not in {finding.check for finding in checks._model(Settings())}


def test_a_refused_model_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    models = MemoryModels()
    bundle = random_bundle()
    models.publish(bundle.model_id, bundle.to_bytes(), 0)
    monkeypatch.setattr(checks, "RedisModels", lambda _client: models)
    refused, in_force, trust = checks._model(Settings())
    assert (refused.level, in_force.level, trust.level) == (Level.WARN, Level.OK, Level.OK)
    assert "(unsigned)" in refused.message
    assert bundle.model_id[:12] in refused.message
    assert "trainer models rollback" in refused.message
    assert in_force.message.startswith("ac06db9ff834, publication 1")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LogUnavailable("Kafka: nothing listens"), "Kafka: nothing listens; start one with"),
        (LogUnavailable("Kafka: see advertised.listeners"), "Kafka: see advertised.listeners"),
        (StoreNotAllowed("Redis: no right"), "Redis: no right"),
        (ValueError("no bundle"), "no bundle; install the package anew"),
    ],
)
def test_an_error_has_the_way_out_that_fits_it(error: Exception, message: str) -> None:
    """Whoever's setting was right must not be told to set it."""

    def fail() -> Iterator[Finding]:
        raise error
        yield

    (finding,) = checks._guarded("kafka", fail)
    assert finding.level is Level.BAD
    assert finding.message.startswith(message)
    if "start" not in message and "install" not in message:
        assert finding.message == message
