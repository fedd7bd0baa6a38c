from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from streamer.adapters.memory.models import MemoryModels
from streamer.adapters.redis.client import Client, connect
from streamer.adapters.redis.models import KEPT, RedisModels
from streamer.local import LocalStack
from streamer.ports.models import Champion, Fenced, ModelChannel, Superseded, Unfetchable
from streamer.ports.states import StoreUnavailable
from tests.support.redis_kinds import Group
from trainer.registry.lease import Lease


class Contract:
    """What both adapters of the port promise."""

    @pytest.fixture
    def channel(self) -> ModelChannel:
        raise NotImplementedError

    def test_at_first_nothing_is_in_force(self, channel: ModelChannel) -> None:
        assert channel.champion() is None
        assert channel.fetch("a") is None

    def test_a_published_model_is_in_force_with_its_bundle(self, channel: ModelChannel) -> None:
        packed = bytes(range(256)) * 40
        assert channel.publish("a", packed, 0) == Champion("a", 1)
        assert channel.champion() == Champion("a", 1)
        assert channel.fetch("a") == packed

    def test_a_later_lease_fences_an_earlier_one_and_never_a_person(
        self, channel: ModelChannel
    ) -> None:
        channel.publish("a", b"a", 0, fence=2)
        with pytest.raises(Fenced, match="lease 2"):
            channel.publish("b", b"b", 1, fence=1)
        assert channel.champion() == Champion("a", 1)
        assert channel.publish("b", b"b", 1) == Champion("b", 2)
        with pytest.raises(Fenced):
            channel.publish("c", b"c", 2, fence=1)
        assert channel.publish("c", b"c", 2, fence=2) == Champion("c", 3)

    def test_versions_rise_by_one_also_when_a_model_comes_back(self, channel: ModelChannel) -> None:
        for version, model in enumerate("abab"):
            assert channel.publish(model, model.encode(), version) == Champion(model, version + 1)
        assert channel.fetch("a") == b"a"
        assert channel.fetch("b") == b"b"

    @pytest.mark.parametrize("expected", [0, 2, 17])
    def test_a_version_that_is_not_in_force_publishes_nothing(
        self, channel: ModelChannel, expected: int
    ) -> None:
        channel.publish("a", b"a", 0)
        with pytest.raises(Superseded, match="version 1"):
            channel.publish("b", b"b", expected)
        assert channel.champion() == Champion("a", 1)
        assert channel.fetch("b") is None

    def test_the_last_bundles_are_kept_and_the_one_in_force_among_them(
        self, channel: ModelChannel
    ) -> None:
        models = [f"m{i}" for i in range(KEPT + 3)]
        for version, model in enumerate(models):
            channel.publish(model, model.encode(), version)
        assert [m for m in models if channel.fetch(m) is not None] == models[-KEPT:]

    def test_a_model_that_comes_back_is_kept_anew(self, channel: ModelChannel) -> None:
        models = [*(f"m{i}" for i in range(KEPT)), "m0", "new"]
        for version, model in enumerate(models):
            channel.publish(model, model.encode(), version)
        assert channel.fetch("m0") == b"m0"
        assert channel.fetch("m1") is None

    def test_one_of_many_publishers_wins_each_version(self, channel: ModelChannel) -> None:
        won: list[str] = []
        barrier = threading.Barrier(6)

        def publish(model: str) -> None:
            barrier.wait(10)
            try:
                channel.publish(model, model.encode(), 0)
            except Superseded:
                return
            won.append(model)

        threads = [threading.Thread(target=publish, args=(f"m{i}",)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(won) == 1
        assert channel.champion() == Champion(won[0], 1)
        assert channel.fetch(won[0]) == won[0].encode()

    def test_recent_models_are_listed_the_newest_first(self, channel: ModelChannel) -> None:
        assert channel.recent() == []
        for version, model in enumerate(("a", "b", "c", "a")):
            channel.publish(model, b"x", version)
        assert channel.recent() == ["a", "c", "b"]

    def test_the_model_in_force_is_kept_whatever_is_published(self, channel: ModelChannel) -> None:
        assert channel.kept() is None
        channel.keep("before", b"old")
        channel.keep("in force", b"bytes")
        for version, model in enumerate([f"m{i}" for i in range(2 * KEPT)]):
            channel.publish(model, model.encode(), version)
        assert channel.kept() == "in force"
        assert channel.fetch("in force") == b"bytes"
        assert channel.fetch("before") is None
        assert "in force" not in channel.recent()

    def test_what_is_larger_than_a_bundle_is_not_fetched(
        self, channel: ModelChannel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for adapter in ("memory", "redis"):
            monkeypatch.setattr(f"streamer.adapters.{adapter}.models.MOST_PACKED", 1_000)
        channel.publish("large", bytes(1_001), 0)
        with pytest.raises(Unfetchable, match="at most 1000"):
            channel.fetch("large")
        channel.publish("largest", bytes(1_000), 1)
        assert channel.fetch("largest") == bytes(1_000)

    def test_an_empty_bundle_is_no_missing_one(self, channel: ModelChannel) -> None:
        channel.publish("empty", b"", 0)
        assert channel.fetch("empty") == b""


class TestMemory(Contract):
    @pytest.fixture
    def channel(self) -> ModelChannel:
        return MemoryModels()


@pytest.fixture(params=["stack", "redis_sentinel", "redis_cluster"])
def url(request: pytest.FixtureRequest) -> str:
    """A Redis of each form."""
    group: LocalStack | Group = request.getfixturevalue(request.param)
    return group.redis if isinstance(group, LocalStack) else group.url


@pytest.mark.integration
class TestRedis(Contract):
    @pytest.fixture
    def redis(self, url: str) -> Iterator[Client]:
        with contextlib.closing(connect(url)) as client:
            yield client

    @pytest.fixture
    def channel(self, redis: Client, topic_prefix: str) -> ModelChannel:
        return RedisModels(redis, topic_prefix, own=f"{topic_prefix}own")

    def test_two_namespaces_do_not_see_each_other(
        self, channel: ModelChannel, redis: Client, topic_prefix: str
    ) -> None:
        channel.publish("a", b"a", 0)
        assert RedisModels(redis, topic_prefix + "other").champion() is None

    def test_another_process_finds_what_was_published(
        self, channel: ModelChannel, url: str, topic_prefix: str
    ) -> None:
        channel.publish("a", b"a", 0)
        with contextlib.closing(connect(url)) as other:
            assert RedisModels(other, topic_prefix).champion() == Champion("a", 1)

    def test_one_trainer_at_a_time_has_the_lease(self, redis: Client, topic_prefix: str) -> None:
        first, second = Lease(redis, topic_prefix), Lease(redis, topic_prefix)
        assert first.acquire()
        assert not second.acquire()
        assert first.renew()
        first.release()
        assert second.acquire()
        assert not first.is_newest()

    @pytest.mark.parametrize(
        "version", [b"", b"-1", b"1e3", b"7.5", b"9" * 40, b"\xff", "٣".encode()]
    )
    def test_whatever_stands_as_the_version_can_be_published_over(
        self, channel: ModelChannel, redis: Client, topic_prefix: str, version: bytes
    ) -> None:
        alias = f"{{{topic_prefix}:models}}:champion"
        redis.hset(alias, mapping={"model": b"\xff\x1b[2J", "version": version})
        champion = channel.champion()
        assert champion is not None
        assert champion.version == 0
        assert channel.publish("good", b"good", champion.version) == Champion("good", 1)
        assert channel.champion() == Champion("good", 1)

    @pytest.mark.parametrize("kind", ["string", "list"])
    def test_keys_of_another_type_can_be_published_over(
        self, channel: ModelChannel, redis: Client, topic_prefix: str, kind: str
    ) -> None:
        for key in ("champion", "recent", "bundle:good"):
            name = f"{{{topic_prefix}:models}}:{key}"
            if kind == "string" and key != "bundle:good":
                redis.set(name, "x")
            elif key != "recent":
                redis.lpush(name, "x")
        assert channel.champion() == Champion("", 0)
        assert channel.recent() == []
        if kind == "list":
            with pytest.raises(Unfetchable, match="another type"):
                channel.fetch("good")
        assert channel.publish("good", b"good", 0) == Champion("good", 1)
        assert (channel.recent(), channel.fetch("good")) == (["good"], b"good")


NOWHERE = connect("redis://127.0.0.1:1/0")


@pytest.mark.parametrize(
    "ask",
    [
        RedisModels(NOWHERE).champion,
        lambda: RedisModels(NOWHERE).fetch("a"),
        lambda: RedisModels(NOWHERE).publish("a", b"", 0),
        Lease(NOWHERE).acquire,
        Lease(NOWHERE).renew,
        Lease(NOWHERE).release,
    ],
)
def test_a_redis_that_is_away_is_an_outage(ask: Callable[[], object]) -> None:
    with pytest.raises(StoreUnavailable, match="Redis"):
        ask()
