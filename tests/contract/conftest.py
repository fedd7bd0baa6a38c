"""Redis in the forms that the service runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis_kinds import Group, cluster_group, sentinel_group


@pytest.fixture(scope="session")
def redis_sentinel() -> Iterator[Group]:
    """A Redis behind a Sentinel."""
    with sentinel_group() as group:
        yield group


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[Group]:
    """A Redis Cluster of three masters."""
    with cluster_group() as group:
        yield group
