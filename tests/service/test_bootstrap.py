from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.services import environment, settings_of
from streamer.adapters.memory.models import MemoryModels
from streamer.local import LocalStack
from streamer.ports.states import StoreUnavailable
from streamer.service import bootstrap
from streamer.service.health import Health
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics
from tests.support.wait import wait_until


@pytest.fixture
def _process_as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("_process_as_before")
def test_a_worker_on_kafka_and_redis_takes_its_partitions(
    stack: LocalStack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "RedisModels", lambda _client, **_names: MemoryModels())
    settings = settings_of(environment(stack, topic_prefix, partitions=2, instance=topic_prefix))
    ensure_topics(settings)
    with contextlib.closing(bootstrap.state_store(settings)) as states:
        before = [states.take(number).epoch for number in range(2)]
    with contextlib.closing(bootstrap.worker(settings, Health())) as worker:

        def ready() -> bool:
            worker.step()
            return not worker.not_ready

        wait_until(ready, 60, "readiness")
        assert gc.get_threshold()[0] == bootstrap._GARBAGE_THRESHOLD
    with contextlib.closing(bootstrap.state_store(settings)) as states:
        after = [states.take(number).epoch for number in range(2)]
    assert all(later > earlier + 1 for earlier, later in zip(before, after, strict=True))


def test_a_key_file_that_is_away_leaves_the_key_that_was_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error here would be one of the records that are judged: all of them would be set aside."""
    file = tmp_path / "key"
    file.write_text("first")
    monkeypatch.setenv("STREAMER_ACTION_KEY_FILE", str(file))
    action_key = bootstrap.config_of(Settings()).action_key
    file.unlink()
    assert action_key() == "first"
    file.write_text("second")
    assert action_key() == "second"


def test_a_store_that_is_away_may_be_asked_again() -> None:
    settings = Settings.model_validate({"redis_url": "redis://127.0.0.1:1/0"})
    with (
        contextlib.closing(bootstrap.state_store(settings)) as states,
        pytest.raises(StoreUnavailable, match="Redis"),
    ):
        states.take(0)
    with pytest.raises(StoreUnavailable, match="Redis"):
        bootstrap.model_library(settings).in_force()
