"""Fixtures of integration tests: one real Kafka and Redis, and names that do not collide."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from xdist.remote import Producer

from streamer.local import LocalStack
from tests.support.certificates import Authority
from tests.support.xdist_scheduler import OneByOne, turn


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


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command logs to the standard error of its test, which is closed afterwards."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def audit_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The audit lines of all commands that tests run; they and keys are not beside the tree.

    The secret key of training patients is a fixed one: by which chance other patients are taken for
    them would differ from run to run.
    """
    folder = tmp_path_factory.mktemp("vigil")
    file = folder / "audit.jsonl"
    (folder / "patients.key").write_text(bytes(range(32)).hex())
    with pytest.MonkeyPatch.context() as patch:
        for program in ("STREAMER", "TRAINER"):
            patch.setenv(f"{program}_AUDIT_FILE", str(file))
        patch.setenv("TRAINER_PATIENTS_KEY_FILE", str(folder / "patients.key"))
        patch.setenv("TRAINER_KEYS", str(folder / "keys"))
        yield file


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority, to sign what tests of TLS need."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics, groups, transactional ids and Redis keys that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}-"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare the import of files without integration tests where only those run."""
    is_file = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    if not config.getoption("markexpr").startswith("integration") or not is_file:
        return None
    return None if _names_servers(collection_path) else True


def _names_servers(file: Path) -> bool:
    """Whether a file of tests names a server or a fixture that is one."""
    text = file.read_text()
    return any(name in text for name in ("LocalStack", "mark.integration", "redis_url"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that run real servers as integration tests, and run them after the quick ones.

    Raises:
        pytest.UsageError: a file has integration tests and does not look so, and would be left out
            of a run of those alone.
    """
    for item in items:
        module = getattr(item, "module", None)
        if "stack" in getattr(item, "fixturenames", ()) or hasattr(module, "LocalStack"):
            item.add_marker("integration")
    integration = {item.path for item in items if item.get_closest_marker("integration")}
    if overlooked := [str(path) for path in sorted(integration) if not _names_servers(path)]:
        raise pytest.UsageError(
            "`-m integration` would skip these, add their fixture to `_names_servers`: "
            f"{overlooked}"
        )
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=turn)
    items.sort(key=lambda item: item.get_closest_marker("integration") is not None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneByOne | None:
    """Share the tests out one by one, unless a way is asked for (`--dist`)."""
    return OneByOne(config, log) if config.getoption("dist") == "load" else None
