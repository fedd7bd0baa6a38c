"""A master of Redis dies under a running service: it goes on with the promoted replica."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from redis.cluster import RedisCluster

from streamer.local import LocalStack
from tests.support.redis_kinds import Group, cluster_group, sentinel_group
from tests.support.service_trial import ServiceTrial
from tests.support.wait import wait_until

KINDS: dict[str, Callable[[], AbstractContextManager[Group]]] = {
    "Sentinel": lambda: sentinel_group(n_replicas=1),
    "Cluster": lambda: cluster_group(replicas=True),
}


@pytest.fixture(params=KINDS)
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    with KINDS[request.param]() as running:
        yield running


def master_of(trial: ServiceTrial, group: Group) -> int:
    """The port of the server that has the states of partition 0."""
    if not isinstance(trial.redis, RedisCluster):
        return group.master()
    node = trial.redis.get_node_from_key(trial.states.key(0))  # type: ignore[no-untyped-call]
    return int(node.port)


def test_a_master_is_killed_and_nothing_is_missing_or_doubled(
    stack: LocalStack, group: Group, tmp_path: Path, topic_prefix: str
) -> None:
    with (
        LocalStack(existing_kafka=stack.kafka, existing_redis=group.url) as own,
        ServiceTrial(own, tmp_path, topic_prefix) as trial,
    ):
        trial.send(100)
        with trial.worker() as worker:
            trial.wait_for_commit(25)
            port = master_of(trial, group)
            group.processes[port].kill()
            trial.send(100)
            with contextlib.suppress(AssertionError):  # it may take less than a look
                wait_until(lambda: worker.not_ready, 2)
            wait_until(lambda: not worker.not_ready, 60, "the promoted replica")
            trial.send()
            trial.assert_equals_oracle()
            assert master_of(trial, group) != port
