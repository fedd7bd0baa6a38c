"""Fixtures of integration tests: one real Kafka and Redis, and names that do not collide."""

import gc
import os
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog
from _pytest.doctest import DoctestModule
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from streamer.local import LocalStack
from tests.support import shared_kafka
from tests.support.certificates import Authority
from tests.support.xdist_scheduler import OneByOne, turn

# Imports and collected tests are millions of objects that stay: looking through them for garbage
# every 700 objects would take a tenth of the time.
gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while tests are collected: there is none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[LocalStack]:
    """A running Kafka and Redis: `stack.kafka` is `host:port`, `stack.redis` a URL.

    KAFKA_BOOTSTRAP_SERVERS and REDIS_URL replace what would be started here. Processes of one run
    share a Kafka. A test that takes a server away starts a `LocalStack` of its own.
    """
    with LocalStack(
        existing_kafka=os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or shared_kafka.lent(pytestconfig),
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
        patch.setenv("TRAINER_PRIORITY", "normal")  # tests leave no processor over
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


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Where several processes run tests of servers, lend them one Kafka."""
    if _servers_alone(node.config) and not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        shared_kafka.lend(node)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare the import of files and folders without integration tests where only those run."""
    is_file = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    if not _servers_alone(config) or not (is_file or collection_path.is_dir()):
        return None
    files = [collection_path] if is_file else collection_path.rglob("test_*.py")
    return None if any(map(_names_servers, files)) else True


def _servers_alone(config: pytest.Config) -> bool:
    return bool(config.getoption("markexpr").startswith("integration"))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path,
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples only where some are: pytest would import each module, and read it twice."""
    collectors = yield
    if file_path.suffix == ".py" and ">>>" not in file_path.read_text():
        return [one for one in collectors if not isinstance(one, DoctestModule)]
    return collectors


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
    gc.freeze()  # what exists now stays until the end


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneByOne | None:
    """Share the tests out one by one, unless a way is asked for (`--dist`)."""
    return OneByOne(config, log) if config.getoption("dist") == "load" else None
