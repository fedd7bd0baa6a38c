from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from streamer.canary import bootstrap
from streamer.canary.series import CATALOGUE
from streamer.cli import app
from streamer.service.http import serving_routes
from streamer.service.settings import Settings
from tests.canary.test_process import Chain
from tests.service.test_http import free_port, get


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, set()),
        ({"instance": "i" * 111}, {"STREAMER_INSTANCE"}),
        ({"instance": "a\u202eb"}, {"STREAMER_INSTANCE"}),
        ({"canary_seconds": 10}, {"STREAMER_CANARY_LATE_SECONDS"}),
        ({"require_tls": True, "kafka_bootstrap_servers": "k.example:9092"},
         {"STREAMER_REQUIRE_TLS"}),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(settings: dict[str, object], wrong: set[str]) -> None:
    faults = {fault.variable for fault in bootstrap.faults(Settings.model_validate(settings))}
    assert faults == wrong


def test_the_command_ends_with_2_and_names_each_fault() -> None:
    wrong = {"STREAMER_INSTANCE": "i" * 111, "STREAMER_CANARY_SECONDS": "5"}
    ended = CliRunner().invoke(app, ["canary", "--once"], env=wrong)
    assert ended.exit_code == 2
    assert "STREAMER_INSTANCE" in ended.output
    assert "STREAMER_CANARY_LATE_SECONDS" in ended.output


def test_the_command_explains_itself() -> None:
    ended = CliRunner().invoke(app, ["canary", "--help"], env={"COLUMNS": "200"})
    assert ended.exit_code == 0
    for words in (
        "ok",
        "late",
        "wrong",
        "lost",
        "--once",
        "STREAMER_CANARY_HTTP_PORT",
        "rules.yml",
    ):
        assert words in ended.output


def test_without_kafka_once_ends_with_1_and_says_why() -> None:
    away = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "REDIS_URL": "redis://127.0.0.1:1/0",
        "STREAMER_CANARY_SECONDS": "1", "STREAMER_CANARY_LATE_SECONDS": "0.5",
        "STREAMER_INSTANCE": "i",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamer.cli.canary._BEGIN_S", 0.1)
        patch.setattr("streamer.adapters.kafka.canary._ASK_MS", 300)
        ended = CliRunner().invoke(app, ["canary", "--once"], env=away)
    assert ended.exit_code == 1
    assert "127.0.0.1:1" in ended.output


@contextmanager
def answering(chain: Chain) -> Iterator[int]:
    routes = bootstrap.routes(chain.canary, chain.series)
    with serving_routes("127.0.0.1", free_port(), routes) as port:
        assert port is not None
        yield port


def test_its_port_says_whether_the_watch_is_proven() -> None:
    chain = Chain()
    with answering(chain) as port:
        assert get(port, "/readyz")[0] == 503, "nothing was sent yet"
        chain.services.append(chain.fake.process())
        chain.run(70)
        status, body, _ = get(port, "/readyz")
        assert (status, json.loads(body)) == (200, {"ready": True, "reasons": []})
        scraped = get(port, "/metrics")[1].decode()
        for metric in CATALOGUE:
            assert f"# HELP {metric.name} {metric.sentence}" in scraped
            assert f"# TYPE {metric.name} {metric.kind}" in scraped
        assert 'vigil_canary_total{outcome="ok",partition="2"}' in scraped
        assert "process_start_time_seconds" in scraped
        chain.services.clear()
        chain.run(250)
        status, body, _ = get(port, "/readyz")
        assert status == 503
        assert len(json.loads(body)["reasons"]) == 3
