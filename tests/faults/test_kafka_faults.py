"""The broker restarts, or the network to it fails: each committed batch counts once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.proxy import END_TXN, KafkaProxy
from streamer.local import LocalStack, StackPorts, ports
from tests.support.service_trial import DEADLINE_S, N_EVENTS, ServiceTrial
from tests.support.wait import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def own() -> Iterator[LocalStack]:
    """A Kafka that may be killed, and that a proxy may stand before."""
    proxy_port = ports.choose(None, "the proxy")
    with LocalStack(stack_ports=StackPorts(kafka_proxy=proxy_port)) as running:
        yield running


@pytest.fixture
def proxy(own: LocalStack) -> Iterator[KafkaProxy]:
    server = own.kafka_server
    assert server.proxy_port is not None
    assert server.behind_proxy_port is not None
    with KafkaProxy(server.proxy_port, server.behind_proxy_port) as running:
        yield running


@pytest.fixture
def trial(own: LocalStack, tmp_path: Path, topic_prefix: str) -> Iterator[ServiceTrial]:
    with ServiceTrial(own, tmp_path, topic_prefix) as opened:
        yield opened


def test_the_broker_is_killed_and_starts_again(own: LocalStack, trial: ServiceTrial) -> None:
    trial.send(N_EVENTS // 2)
    with trial.worker() as worker:
        trial.wait_for_commit()
        own.kafka_server.kill()
        wait_until(lambda: worker.not_ready, DEADLINE_S, "a worker that misses its broker")
        own.kafka_server.start()
        trial.send()
        trial.assert_equals_oracle()


@pytest.mark.parametrize("silently", [False, True])
def test_a_commit_whose_answer_is_lost_is_asked_about_again(
    proxy: KafkaProxy, trial: ServiceTrial, silently: bool
) -> None:
    """At once when the connection breaks; in silence, when the request has timed out."""
    with trial.worker(KAFKA_BOOTSTRAP_SERVERS=proxy.address):
        trial.send(N_EVENTS // 2)
        trial.wait_for_commit()
        lost = proxy.lose_reply(END_TXN, silently=silently)
        trial.send()
        assert lost.wait(DEADLINE_S)
        trial.assert_equals_oracle()


def test_a_service_dies_before_it_knows_that_its_commit_went_through(
    proxy: KafkaProxy, trial: ServiceTrial
) -> None:
    trial.send()
    lost = proxy.lose_reply(END_TXN, silently=True)
    service = trial.service(instance="mortal", KAFKA_BOOTSTRAP_SERVERS=proxy.address)
    assert lost.wait(DEADLINE_S)
    service.kill()
    assert set(trial.watermarks().values()) == {0}, "something was saved"
    trial.service(instance="mortal")
    trial.assert_equals_oracle()


def test_the_network_hangs_for_longer_than_a_session(
    proxy: KafkaProxy, trial: ServiceTrial
) -> None:
    trial.send(N_EVENTS // 2)
    with trial.worker(KAFKA_BOOTSTRAP_SERVERS=proxy.address):
        trial.wait_for_commit()
        proxy.hold()
        with trial.worker():  # takes the partitions of the other one when its session is over
            trial.settle()
            proxy.release()
            trial.send()
            trial.assert_equals_oracle()


def test_connections_break(proxy: KafkaProxy, trial: ServiceTrial) -> None:
    with trial.worker(KAFKA_BOOTSTRAP_SERVERS=proxy.address):
        for _ in range(6):
            trial.send(N_EVENTS // 6)
            proxy.cut()
        trial.assert_equals_oracle()
