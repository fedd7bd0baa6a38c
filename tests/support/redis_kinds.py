"""Redis behind Sentinels, and a Redis Cluster, on this machine.

redis-py alone makes them; no `redis-cli` is needed.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from streamer.local.errors import LocalStackError
from streamer.local.ports import LOOPBACK, choose_other_than
from streamer.local.redis_binary import find_redis_server
from tests.support.wait import wait_until

MASTER_NAME: Final = "vigil"
_SLOTS: Final = 16_384


@dataclass(slots=True)
class Group:
    """Servers that belong together.

    Attributes:
        url: as REDIS_URL has it.
        ports: of the servers that keep data.
        processes: all servers, by port.
    """

    url: str
    ports: list[int]
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def client(self, port: int) -> Redis:
        return Redis(host=LOOPBACK, port=port, socket_timeout=5)

    def master(self) -> int:
        """The port of the server that takes writes."""
        for port in self.ports:
            with contextlib.suppress(Exception), self.client(port) as client:
                role: Any = client.role()
                if role[0] == b"master":
                    return port
        raise AssertionError("no master")


class _Servers(contextlib.ExitStack):
    """Starts servers and ends them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="vigil-redis-")))
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._taken: set[int] = set()

    def port(self) -> int:
        port = choose_other_than(self._taken, "Redis")
        self._taken.add(port)
        return port

    def start(self, port: int, settings: dict[str, str], *arguments: str) -> Redis:
        folder = self.folder / str(port)
        folder.mkdir()
        base = {"port": str(port), "bind": LOOPBACK, "save": '""', "dir": str(folder)}
        lines = [f"{name} {value}" for name, value in (base | settings).items()]
        if "--sentinel" in arguments:
            lines.remove('save ""')
        config = folder / "redis.conf"
        config.write_text("\n".join(lines) + "\n")
        command = [str(find_redis_server()), str(config), *arguments]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.processes[port] = process
        # Shown of a test that fails: why nobody was promoted, for one.
        self.callback(lambda: print((folder / "log").read_text()[-4_000:]))
        self.callback(process.wait)
        self.callback(process.kill)
        client = Redis(host=LOOPBACK, port=port, socket_timeout=5)
        self.callback(client.close)
        wait_until(lambda: _answers(client) or process.poll() is not None, 20)
        assert process.poll() is None, (folder / "log").read_text()
        return client


@contextlib.contextmanager
def sentinel_group(n_replicas: int = 0, n_sentinels: int = 1) -> Iterator[Group]:
    """A master watched by Sentinels, a failover takes two seconds."""
    _need_server()
    with _Servers() as servers:
        master = servers.port()
        servers.start(master, {"appendonly": "no"})
        replicas = [servers.port() for _ in range(n_replicas)]
        for port in replicas:
            servers.start(
                port, {"replicaof": f"{LOOPBACK} {master}", "repl-diskless-sync-delay": "0"}
            )
        quorum = n_sentinels // 2 + 1
        sentinels = [servers.port() for _ in range(n_sentinels)]
        for port in sentinels:
            servers.start(
                port,
                {
                    f"sentinel monitor {MASTER_NAME}": f"{LOOPBACK} {master} {quorum}",
                    f"sentinel down-after-milliseconds {MASTER_NAME}": "1000",
                    f"sentinel failover-timeout {MASTER_NAME}": "5000",
                },
                "--sentinel",
            )
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in sentinels)
        group = Group(f"redis+sentinel://{hosts}/{MASTER_NAME}/0", [master, *replicas])
        group.processes = servers.processes
        for port in replicas:
            wait_until(partial(_is_in_step, group.client(port)), 20)
        if n_replicas:
            first: Any = Redis(host=LOOPBACK, port=sentinels[0])
            wait_until(lambda: _known(first, n_replicas, n_sentinels), 20)
            first.close()
        yield group


@contextlib.contextmanager
def cluster_group(n_masters: int = 3, *, replicas: bool = False) -> Iterator[Group]:
    """A Cluster of masters, each with a replica if asked for; a failover takes some seconds."""
    _need_server()
    with _Servers() as servers:
        ports = [servers.port() for _ in range(n_masters)]
        settings = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": "1000",
            "repl-diskless-sync-delay": "0",
        }
        # Ten thousand above, as is the default, is in the range of outgoing connections.
        buses = {port: servers.port() for port in ports}
        nodes: list[Any] = [
            servers.start(port, settings | {"cluster-port": str(bus)})
            for port, bus in buses.items()
        ]
        for number, node in enumerate(nodes):
            first, end = (_SLOTS * k // n_masters for k in (number, number + 1))
            node.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
            node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in nodes:  # a node that knows another takes no epoch
            for port, bus in buses.items():
                node.execute_command("CLUSTER MEET", LOOPBACK, port, bus)
        wait_until(lambda: all(_is_whole(node, n_masters) for node in nodes), 20)
        if replicas:
            for master in list(nodes):
                port = servers.port()
                bus = servers.port()
                copy: Any = servers.start(port, settings | {"cluster-port": str(bus)})
                copy.execute_command("CLUSTER MEET", LOOPBACK, ports[0], buses[ports[0]])
                name = master.execute_command("CLUSTER MYID").decode()
                wait_until(lambda c=copy, n=name: _replicates(c, n), 20)  # type: ignore[misc]
                nodes.append(copy)
            wait_until(lambda: all(_is_whole(node, len(nodes)) for node in nodes), 20)
            # One that was never in step with its master does not stand for election.
            wait_until(lambda: all(map(_is_in_step, nodes[n_masters:])), 20)
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in ports)
        yield Group(f"redis+cluster://{hosts}", ports, servers.processes)


def _is_whole(node: Any, n_masters: int) -> bool:
    info = node.execute_command("CLUSTER INFO")
    state = (
        info
        if isinstance(info, dict)
        else dict(line.split(":", 1) for line in info.decode().split())
    )
    return state["cluster_state"] == "ok" and int(state["cluster_known_nodes"]) == n_masters


def _replicates(copy: Any, master: str) -> bool:
    with contextlib.suppress(ResponseError):  # the master is not known there yet
        copy.execute_command("CLUSTER REPLICATE", master)
        return True
    return False


def _is_in_step(copy: Any) -> bool:
    return bool(copy.info("replication")["master_link_status"] == "up")


def _known(sentinel: Any, n_replicas: int, n_sentinels: int) -> bool:
    state = sentinel.sentinel_master(MASTER_NAME)
    return (state["num-slaves"], state["num-other-sentinels"]) == (n_replicas, n_sentinels - 1)


def _answers(client: Redis) -> bool:
    with contextlib.suppress(Exception):
        return bool(client.ping())
    return False


def _need_server() -> None:
    try:
        find_redis_server()
    except LocalStackError as error:
        pytest.skip(str(error))
