"""Fixtures of integration tests: one real Kafka and Redis, and names that do not collide."""

import os
import uuid
from collections.abc import Iterator

import pytest

from streamer.local import LocalStack


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """A running Kafka and Redis: `stack.kafka` is `host:port`, `stack.redis` a URL.

    KAFKA_BOOTSTRAP_SERVERS and REDIS_URL replace what would be started here. A test that takes a
    server away starts a `LocalStack` of its own.
    """
    with LocalStack(
        existing_kafka=os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
        existing_redis=os.environ.get("REDIS_URL"),
    ) as running:
        yield running


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics, groups, transactional ids and Redis keys that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}-"


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that run real servers as integration tests, and run them after the quick ones.

    Processes that share the tests (`--dist loadgroup`) take them one by one. Tests of a file with a
    fixture for the whole file stay together, and long tests begin first.
    """
    for item in items:
        module = getattr(item, "module", None)
        if "stack" in getattr(item, "fixturenames", ()) or hasattr(module, "LocalStack"):
            item.add_marker("integration")
        if _shares_a_fixture(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
    if getattr(config.option, "loadgroup", False):
        items.sort(key=_turn)
    items.sort(key=lambda item: item.get_closest_marker("integration") is not None)


def _shares_a_fixture(item: pytest.Item) -> bool:
    """Whether a test uses a fixture that is made once for its file."""
    if not isinstance(item, pytest.Function):
        return False
    definitions = item._fixtureinfo.name2fixturedefs.values()
    return any(one.scope == "module" for of_name in definitions for one in of_name)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("timeout") is not None:  # it needs more time than others
        return 0
    if item.get_closest_marker("xdist_group") is not None:
        return 1
    # Then laws, which run many examples; short tests last.
    return 2 if getattr(getattr(item, "obj", None), "is_hypothesis_test", False) else 3
