from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

import pytest
import torch

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
    threshold, n_threads = gc.get_threshold(), torch.get_num_threads()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    torch.set_num_threads(n_threads)


@pytest.mark.usefixtures("_process_as_before")
def test_a_worker_on_kafka_and_redis_takes_its_partitions(
    stack: LocalStack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "RedisModels", lambda _client: MemoryModels())
    settings = settings_of(environment(stack, topic_prefix, partitions=2))
    ensure_topics(settings)
    with contextlib.closing(bootstrap.worker(settings, Health())) as worker:

        def ready() -> bool:
            worker.step()
            return not worker.not_ready

        wait_until(ready, 60, "readiness")
        assert torch.get_num_threads() == 1
    with contextlib.closing(bootstrap.state_store(settings)) as states:
        assert [states.take(number).epoch for number in range(2)] == [2, 2]


def test_a_store_that_is_away_may_be_asked_again() -> None:
    settings = Settings.model_validate({"redis_url": "redis://127.0.0.1:1/0"})
    with (
        contextlib.closing(bootstrap.state_store(settings)) as states,
        pytest.raises(StoreUnavailable, match="Redis"),
    ):
        states.take(0)
    with pytest.raises(StoreUnavailable, match="Redis"):
        bootstrap.model_library(settings).in_force()
