"""Redis behind Sentinels, and a Redis Cluster; a test is skipped where there is no Redis."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from bench import redis_groups
from bench.redis_groups import Group
from streamer.local.errors import LocalStackError
from streamer.local.redis_binary import find_redis_server

__all__ = ["Group", "cluster_group", "sentinel_group"]


@contextlib.contextmanager
def sentinel_group(n_replicas: int = 0, n_sentinels: int = 1) -> Iterator[Group]:
    """A master watched by Sentinels."""
    _need_server()
    with redis_groups.sentinel_group(n_replicas, n_sentinels) as group, _shown(group):
        yield group


@contextlib.contextmanager
def cluster_group(n_masters: int = 3, *, replicas: bool = False) -> Iterator[Group]:
    """A Cluster of masters, each with a replica if asked for."""
    _need_server()
    with redis_groups.cluster_group(n_masters, replicas=replicas) as group, _shown(group):
        yield group


@contextlib.contextmanager
def _shown(group: Group) -> Iterator[None]:
    """Logs are shown of a test that fails: why nobody was promoted, for one."""
    try:
        yield
    finally:
        print(group.logs())


def _need_server() -> None:
    try:
        find_redis_server()
    except LocalStackError as error:
        pytest.skip(str(error))
