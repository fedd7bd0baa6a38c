from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from streamer.local import LocalStack
from trainer.registry.lease import Lease


@pytest.fixture
def redis(stack: LocalStack) -> Iterator[Redis]:
    client = Redis.from_url(stack.redis, socket_timeout=10)
    yield client
    client.close()


def test_only_one_holds_the_lease(redis: Redis, topic_prefix: str) -> None:
    first, second = (Lease(redis, topic_prefix) for _ in range(2))
    assert first.acquire()
    assert not second.acquire()
    assert second.fence == 0
    second.release()  # of what it does not hold changes nothing
    assert not second.acquire()
    assert first.renew()
    first.release()
    assert second.acquire()


def test_the_fence_rises_with_each_holder(redis: Redis, topic_prefix: str) -> None:
    first, second = (Lease(redis, topic_prefix) for _ in range(2))
    assert first.acquire()
    assert first.is_newest()
    fence = first.fence
    redis.delete(f"{{{topic_prefix}:trainer}}:lease")  # it slept past its lease
    assert second.acquire()
    assert second.fence == fence + 1
    assert second.is_newest()
    assert not first.is_newest()
    assert not first.renew()
    first.release()
    assert second.renew()


def test_a_lease_ends_by_itself_unless_it_is_renewed(redis: Redis, topic_prefix: str) -> None:
    lease = Lease(redis, topic_prefix, ttl_ms=60_000)
    key = f"{{{topic_prefix}:trainer}}:lease"
    assert lease.acquire()
    assert 0 < redis.pttl(key) <= 60_000
    redis.pexpire(key, 5_000)
    assert lease.renew()
    assert redis.pttl(key) > 5_000
