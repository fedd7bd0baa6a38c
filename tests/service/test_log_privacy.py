"""No raw patient id in what a service prints or serves, whatever happens to that patient."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from redis import Redis

from bench.services import ServiceProcess, environment, running, settings_of
from streamer.local import LocalStack
from streamer.service import bootstrap
from streamer.service.health import ReasonJson
from streamer.service.pseudonyms import Pseudonyms
from streamer.service.settings import Settings
from tests.service.test_http import free_port, get
from tests.support.running_service import (
    START_DEADLINE_S,
    ServiceClient,
    service,
)
from tests.support.wait import wait_until

MARK = "Zebra"  # in every id of these tests, and in nothing else
KEY = "a secret of the ward"


def scrape(port: int) -> dict[str, str]:
    return {path: get(port, path)[1].decode() for path in ("/readyz", "/metrics", "/healthz")}


def lines(process: ServiceProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.log.splitlines()]


def ready(port: int) -> bool:
    try:
        return get(port, "/readyz")[0] == 200
    except OSError:
        return False


def reasons(port: int) -> list[ReasonJson]:
    try:
        answer: list[ReasonJson] = json.loads(get(port, "/readyz")[1])["reasons"]
    except OSError:
        return []
    return answer


def send_everything(client: ServiceClient) -> None:
    """Good events, values that are dropped, and whatever is refused though it names a patient."""
    client.event(f"{MARK}-good", values={"heart_rate": 71})
    client.event(f"{MARK}-value", values={"heart_rate": 9_000, f"{MARK}": 3})
    client.event(f"{MARK}-type", values=f"{MARK}")
    client.event(f"{MARK}-late", time="1999-01-01T00:00:00Z")
    client.event(f"{MARK}-none", type="discharge")
    client.event(f"{MARK}-kind", type=f"{MARK}")
    client.event(f"{MARK}-time", time=f"{MARK}")
    client.send(f'{{"patient_id": "{MARK}-cut"'.encode(), f"{MARK}-cut".encode())
    client.send(b'{"patient_id":"x","time":1,"values":{}}', f"{MARK}-key".encode())
    position = client.event(f"{MARK}-last")
    client.risk_of(position)


def spoil(settings: Settings, patient: str) -> None:
    """Changes a byte of the stored state of a patient."""
    states = bootstrap.state_store(settings)
    stay = states.find(patient, range(2))
    states.close()
    assert stay is not None
    partition, stored = stay
    with contextlib.closing(Redis.from_url(settings.redis())) as client:
        key = states.key(partition)
        names: Any = client.hkeys(key)
        (name,) = [field for field in names if field.endswith(patient.encode())]
        client.hset(key, name, stored[:-1] + b"?")


def test_neither_log_nor_port_tells_an_id(
    stack: LocalStack, topic_prefix: str, tmp_path: Path
) -> None:
    port = free_port()
    # Without the topic of states: a damaged stay would be restored from it.
    options: dict[str, str | float] = {"http_port": port, "log_key": KEY, "states_seconds": 0}
    with service(stack, tmp_path, topic_prefix, **options) as (process, client):
        wait_until(lambda: ready(port), START_DEADLINE_S, "readiness")
        send_everything(client)
        served = scrape(port)
        assert 'vigil_rejected_total{reason="not_json"} 1.0' in served["/metrics"]
        code, _ = process.terminate()
        assert code == 0
        settings = client.settings

    patient = f"{MARK}-good"
    spoil(settings, patient)

    variables = environment(
        stack, topic_prefix, partitions=2, kafka_session_timeout_ms=6000, **options
    )
    variables["STREAMER_HTTP_PORT"] = str(port)
    again = ServiceProcess(variables, tmp_path / "again.log")
    assert settings_of(variables).topic_vitals == settings.topic_vitals
    with running([again]):
        wait_until(lambda: ready(port), START_DEADLINE_S, "readiness without the damaged stay")
        after = scrape(port)
    assert "vigil_stays_damaged_total 1.0" in after["/metrics"]

    for text in (process.log, again.log, *served.values(), *after.values()):
        assert MARK not in text
    (line,) = [entry for entry in lines(again) if entry["event"] == "stay damaged"]
    assert line["error"] == "state of a patient: checksum differs"
    assert line["patient"] == Pseudonyms(KEY).of(patient)
    assert {entry["level"] for entry in lines(process)} >= {"info"}


def test_a_service_without_kafka_says_so_from_the_start(tmp_path: Path) -> None:
    port, nobody = free_port(), free_port()
    variables = {
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{nobody}",
        "REDIS_URL": f"redis://127.0.0.1:{nobody}/0",
        "STREAMER_HTTP_PORT": str(port),
    }
    process = ServiceProcess(variables, tmp_path / "service.log")
    with running([process]):
        waits = wait_until(
            lambda: [r for r in reasons(port) if r.get("waiting_on") == "log"],
            START_DEADLINE_S,
            "that it waits for Kafka",
        )
        assert get(port, "/healthz")[0] == 200
        code, _ = process.terminate()
    assert code == 0
    assert waits[0]["says"].startswith("waiting for Kafka")
    assert [entry["on"] for entry in lines(process) if entry["event"] == "waiting"] == ["log"]
