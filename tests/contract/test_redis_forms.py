"""The form in a URL and the form of a server: a contradiction is named."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from redis.cluster import RedisCluster

from bench.services import settings_of
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.states import RedisStates
from streamer.diagnose import checks
from streamer.diagnose.finding import Finding, Level
from streamer.local import LocalStack
from streamer.ports.states import StateWrite, StoreUnavailable
from tests.contract.test_states import save_of
from tests.support.redis_kinds import Group

pytestmark = pytest.mark.integration


def findings(url: str) -> list[Finding]:
    """What `streamer check` says of Redis."""
    return list(checks._guarded("redis", lambda: checks._redis(settings_of({"REDIS_URL": url}))))


def bad(url: str) -> str:
    return "\n".join(f.message for f in findings(url) if f.level is Level.BAD)


def test_check_says_what_it_has_found(
    stack: LocalStack, redis_sentinel: Group, redis_cluster: Group
) -> None:
    assert findings(stack.redis)[0].message.endswith("answers: one server")
    assert "the master vigil of 1 Sentinels" in findings(redis_sentinel.url)[0].message
    problems = findings(redis_cluster.url)
    assert "a Cluster of 3 masters" in problems[0].message
    for port in redis_cluster.ports:
        assert any(f"127.0.0.1:{port} has no replica" in finding.message for finding in problems)
    for url in (stack.redis, redis_sentinel.url, redis_cluster.url):
        assert bad(url) == ""


def test_a_node_of_a_cluster_under_the_url_of_a_server_is_named(redis_cluster: Group) -> None:
    """`check` was ok, and the service waited for ever with MOVED."""
    url = f"redis://127.0.0.1:{redis_cluster.ports[0]}/0"
    assert "is a node of a Redis Cluster" in bad(url)
    assert "redis+cluster://" in bad(url)
    with (
        contextlib.closing(RedisStates(connect(url), "test", "vitals")) as store,
        pytest.raises(StoreUnavailable, match=r"redis\+cluster://"),
    ):
        for partition in range(20):
            store.take(partition)


def test_a_sentinel_under_the_url_of_a_server_is_named(redis_sentinel: Group) -> None:
    address = redis_sentinel.url.removeprefix("redis+sentinel://").partition("/")[0]
    assert "is a Sentinel" in bad(f"redis://{address}/0")
    assert "Sentinels know no master" in bad(f"redis+sentinel://{address}/another/0")


def test_a_server_under_another_form_is_named(redis_sentinel: Group) -> None:
    server = f"127.0.0.1:{redis_sentinel.ports[0]}"
    assert "it is no Redis Cluster" in bad(f"redis+cluster://{server}")
    assert "it is no Sentinel" in bad(f"redis+sentinel://{server}/vigil/0")


def test_no_payload_is_sent_to_learn_the_keys_of_a_command(redis_cluster: Group) -> None:
    """redis-py's own pipeline of a Cluster asks COMMAND GETKEYS with the whole of each script."""
    with contextlib.closing(connect(redis_cluster.url)) as client:
        store = RedisStates(client, "getkeys", "vitals")
        for number in range(4):
            epoch = store.take(number).epoch
            store.save([StateWrite(number, epoch, None, 1, "m", 0, "topic", {"p": b"x" * 9_000})])
            store.claim_partition("topic", number, epoch, ["p"])
    commands: set[str] = set()
    for port in redis_cluster.ports:
        with redis_cluster.client(port) as node:
            answer: Any = node.info("commandstats")
            commands |= answer.keys()
    assert "cmdstat_evalsha" in commands
    assert not [name for name in commands if "getkeys" in name]


def test_a_slot_moves_to_another_node_while_the_store_writes(redis_cluster: Group) -> None:
    """While its keys move the old node says ASK, then MOVED; the new one knows no script."""
    client = connect(redis_cluster.url)
    assert isinstance(client, RedisCluster)
    store = RedisStates(client, "moves", "vitals")
    with contextlib.closing(store), contextlib.ExitStack() as nodes:
        first = save_of(store.take(0), 1, {"a": b"1"})
        store.save([first])
        key = store.key(0)
        slots: Any = client  # redis-py has types for a part of itself
        node, slot = slots.get_node_from_key(key), slots.keyslot(key)
        other = next(port for port in redis_cluster.ports if port != node.port)
        source, target = (
            nodes.enter_context(redis_cluster.client(port)) for port in (node.port, other)
        )
        ids = [n.execute_command("CLUSTER MYID").decode() for n in (source, target)]
        target.script_flush()
        target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
        source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
        source.execute_command("MIGRATE", "127.0.0.1", other, key, 0, 5_000)
        store.save([replace(first, expected=1, watermark=2)])  # ASK
        keys = ("CLUSTER GETKEYSINSLOT", slot, 100)  # those of other stores are in the slot, too
        has_moved = [key in n.execute_command(*keys) for n in (source, target)]
        assert has_moved == [False, True]
        target.script_flush()
        for port in (other, *redis_cluster.ports):
            with redis_cluster.client(port) as owner:
                owner.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])
        store.save([replace(first, expected=2, watermark=3)])  # MOVED, then NOSCRIPT
        assert store.take(0).watermark == 3
