"""Redis and Kafka away for longer than any timeout: the service waits, says so, and goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streamer.core.time import EARLIEST_MS
from streamer.local import LocalStack
from streamer.local.server import Server
from tests.support.running_service import ANSWER_DEADLINE_S, service
from tests.support.wait import wait_until

# Longer than a transaction may last, and than a silent broker is taken for a slow one.
KAFKA_AWAY_S = 18.0
REDIS_AWAY_S = 6.0
# A transaction that was open is waited for, then its producer is made anew: each may take 15 s,
# twice, before the service is back, and a loaded machine counts more slowly.
BACK_DEADLINE_S = 150.0
STOP_DEADLINE_S = 30.0  # ten are promised; a loaded machine counts more slowly
N_BURST = 6_000  # some batches, so that the broker goes away in the middle of a transaction


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def reasons(port: int) -> list[str] | None:
    """The reasons why the service is not ready; ``None`` while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            content = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            content = json.load(error)
    except OSError:
        return None
    return [str(reason["says"]) for reason in content["reasons"]]


def be_away(server: Server, port: int, reason: str, away_s: float) -> None:
    """Kills a server; starts it again after ``away_s``, once the service names it as missing."""
    began = time.monotonic()
    server.kill()

    def is_named() -> bool:
        return any(reason in sentence for sentence in reasons(port) or [])

    wait_until(is_named, ANSWER_DEADLINE_S, f"readiness that names {reason}")
    wait_until(lambda: time.monotonic() - began > away_s, 2 * away_s, "a long absence")
    server.start()


def send(own: LocalStack, topic: str, minutes: range) -> set[tuple[int, int]]:
    """Sends an event for each minute, of fifty patients in turn; returns (partition, offset)s."""
    with contextlib.closing(KafkaProducer(bootstrap_servers=[own.kafka])) as producer:
        sent = []
        for minute in minutes:
            patient = f"p{minute % 50}"
            time_ms = EARLIEST_MS + 60_000 * minute
            event = {"patient_id": patient, "time": time_ms, "values": {"heart_rate": 80}}
            sent.append(producer.send(topic, json.dumps(event).encode(), patient.encode()))
        acknowledged = [future.get(timeout=30) for future in sent]
    return {(record.partition, record.offset) for record in acknowledged}


@pytest.mark.timeout(600)
def test_a_long_absence_is_waited_for_and_nothing_is_lost_nor_doubled(
    tmp_path: Path, topic_prefix: str
) -> None:
    port = free_port()
    with LocalStack() as own, service(own, tmp_path, topic_prefix, http_port=port) as (it, client):
        vitals = client.settings.topic_vitals
        client.risk_of(client.event("q", time=EARLIEST_MS))
        positions = {(risk["partition"], risk["offset"]) for risk in client.risks}
        positions |= send(own, vitals, range(1, 1_000))
        be_away(own.redis_server, port, "Redis", REDIS_AWAY_S)
        positions |= send(own, vitals, range(1_000, 1_000 + N_BURST))
        be_away(own.kafka_server, port, "Kafka", KAFKA_AWAY_S)

        def all_risks() -> list[tuple[int, int]] | None:
            origins = read_all(own, client.settings.topic_risk)
            return origins if len(origins) >= len(positions) else None

        wait_until(lambda: reasons(port) == [], BACK_DEADLINE_S, "readiness")
        origins = wait_until(all_risks, BACK_DEADLINE_S, "going on")
        assert origins is not None
        assert len(origins) == len(positions)
        assert set(origins) == positions
        # A broker that hangs neither answers nor refuses: the service still ends in time.
        os.kill(own.kafka_server.pid, signal.SIGSTOP)
        os.kill(it.pid, signal.SIGTERM)
        assert it.wait(STOP_DEADLINE_S) == 0
        os.kill(own.kafka_server.pid, signal.SIGCONT)


def read_all(own: LocalStack, topic: str) -> list[tuple[int, int]]:
    """The (partition, offset) behind each risk, read from the beginning by a new reader."""
    reader = KafkaConsumer(
        bootstrap_servers=[own.kafka], isolation_level="read_committed", enable_auto_commit=False
    )
    with contextlib.closing(reader):
        tps = [TopicPartition(topic, partition) for partition in (0, 1)]
        reader.assign(tps)
        reader.seek_to_beginning(*tps)
        ends = reader.end_offsets(tps)
        origins: list[tuple[int, int]] = []

        def at_the_end() -> bool:
            for records in reader.poll(timeout_ms=100).values():
                risks = [json.loads(record.value) for record in records]
                origins.extend((risk["partition"], risk["offset"]) for risk in risks)
            return all(reader.position(tp) >= ends[tp] for tp in tps)

        wait_until(at_the_end, ANSWER_DEADLINE_S, "reading all risks")
    return origins
