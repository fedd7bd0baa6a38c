from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kafka.errors import (
    KafkaConnectionError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from streamer.adapters.kafka import topics
from streamer.adapters.kafka.topics import TopicSpec, ensure, read_settings
from streamer.ports.log import LogNotAllowed, LogUnavailable

WANTED = [TopicSpec("vitals", 4, {"retention.ms": "1"}), TopicSpec("risk", 4, {})]


class Cluster:
    """Topics in a dictionary, behind the calls of the admin client that are used."""

    def __init__(self, **partitions: int) -> None:
        self.partitions = partitions
        self.created: dict[str, object] = {}
        self.is_late = False
        self.denied: set[str] = set()

    def admin(self, **_: object) -> Cluster:
        return self

    def create_topics(self, wanted: dict[str, dict[str, Any]], wait_for_metadata: bool) -> None:
        assert wait_for_metadata
        if self.denied & wanted.keys():
            raise TopicAuthorizationFailedError
        self.created |= wanted
        self.partitions |= {name: topic["num_partitions"] for name, topic in wanted.items()}
        if self.is_late:
            raise TopicAlreadyExistsError

    def describe_topics(self, names: list[str]) -> list[dict[str, object]]:
        replicas = {"replica_nodes": [1, 2]}
        n_partitions = self.partitions
        return [
            {
                "name": n,
                "partitions": [replicas] * n_partitions.get(n, 0),
                "authorized_operations": ["READ"] if n in self.denied else ["READ", "WRITE"],
            }
            for n in names
        ]

    def describe_configs(self, resources: list[Any], config_filter: str) -> dict[str, Any]:
        assert config_filter == "all"
        return {"TOPIC": {one.name: {"retention.ms": {"value": "1"}} for one in resources}}

    def close(self) -> None:
        pass


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(risk=2)
    monkeypatch.setattr(topics, "TidyAdmin", made.admin)
    return made


@pytest.mark.parametrize("is_late", [False, True])
def test_missing_topics_are_created_and_narrow_ones_reported(
    cluster: Cluster, is_late: bool
) -> None:
    cluster.is_late = is_late  # another process has created the topic in between
    vitals, risk = ensure({}, WANTED, replication=3)
    assert (vitals.partitions, vitals.created, vitals.fault) == (4, True, None)
    assert cluster.created == {
        "vitals": {
            "num_partitions": 4,
            "replication_factor": 3,
            "configs": {"retention.ms": "1"},
        }
    }
    assert (risk.created, risk.partitions) == (False, 2)
    assert risk.fault is not None
    assert "has 2 partitions where 4 are needed" in risk.fault


def test_an_output_is_as_wide_as_an_input_that_somebody_else_has_made(cluster: Cluster) -> None:
    cluster.partitions = {"vitals": 24, "alerts": 8}
    beside = [TopicSpec(name, 8, {}, follows="vitals") for name in ("risk", "alerts")]
    vitals, risk, alerts = ensure({}, [replace(WANTED[0], partitions=8), *beside], replication=1)
    assert (vitals.partitions, vitals.fault) == (24, None)
    assert (risk.partitions, risk.created, risk.fault) == (24, True, None)
    assert "has 8 partitions where 24 are needed" in (alerts.fault or "")


def test_without_creation_a_missing_topic_is_a_fault(cluster: Cluster) -> None:
    vitals, _ = ensure({}, WANTED, replication=1, create=False)
    assert not vitals.created
    assert vitals.fault == "is missing, or hidden from this user; run `streamer topics`"
    assert not cluster.created


def test_an_optional_topic_that_may_not_be_made_or_written_stops_nothing(cluster: Cluster) -> None:
    hidden = TopicSpec("hidden", 4, {}, is_optional=True)
    unwritable = TopicSpec("risk", 2, {}, is_optional=True)
    cluster.denied = {"hidden", "risk"}
    first, vitals, risk = ensure({}, [hidden, WANTED[0], unwritable], replication=1)
    assert (vitals.partitions, vitals.fault) == (4, None)
    assert (first.created, first.partitions, first.is_optional) == (False, 0, True)
    assert "is missing, or hidden" in (first.fault or "")
    assert "may not be written by this user" in (risk.fault or "")
    with pytest.raises(LogNotAllowed):
        ensure({}, [replace(hidden, is_optional=False)], replication=1)


def test_settings_have_the_least_number_of_replicas(cluster: Cluster) -> None:
    del cluster
    (settings,) = read_settings({}, ["risk"])
    assert (settings.name, settings.replicas, settings.configs) == (
        "risk",
        2,
        {"retention.ms": "1"},
    )
    assert read_settings({}, []) == []


def test_brokers_that_are_away_are_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise KafkaConnectionError

    monkeypatch.setattr(topics, "TidyAdmin", refuse)
    with pytest.raises(LogUnavailable, match="KafkaConnectionError"):
        ensure({}, WANTED, replication=1)
    with pytest.raises(LogUnavailable, match="KafkaConnectionError"):
        read_settings({}, ["risk"])
