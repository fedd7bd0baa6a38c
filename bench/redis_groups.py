"""Redis behind Sentinels, and a Redis Cluster, on this machine, as tests and chaos runs need them.

redis-py alone makes them; no `redis-cli` is needed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from streamer.local.errors import LocalStackError
from streamer.local.ports import LOOPBACK, choose_other_than
from streamer.local.redis_binary import find_redis_server

MASTER_NAME: Final = "vigil"
_SLOTS: Final = 16_384
_DEADLINE_S: Final = 20.0  # to start a server, or for servers to know each other, when others work
_POLL_S: Final = 0.05
_ANSWER_S: Final = 2.0  # of a server on this machine that is not frozen


@dataclass(slots=True)
class Group:
    """Servers that belong together.

    Attributes:
        url: as REDIS_URL has it.
        ports: of the servers that keep data.
        processes: all servers, by port.
        commands: what started each.
        sentinels: ports of the Sentinels, if any.
        folder: has a folder for each port, with its log.
    """

    url: str
    ports: list[int]
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    commands: dict[int, list[str]] = field(default_factory=dict)
    sentinels: list[int] = field(default_factory=list)
    folder: Path = Path()

    @property
    def is_cluster(self) -> bool:
        """Whether it is a Redis Cluster."""
        return not self.sentinels

    def client(self, port: int) -> Redis:
        """A client of one server; redis-py would try ten times by itself."""
        return Redis(
            host=LOOPBACK, port=port, socket_timeout=_ANSWER_S, retry=Retry(NoBackoff(), 0)
        )

    def masters(self) -> list[int]:
        """The ports of the servers that take writes and answer."""
        return [port for port in self.ports if self.role(port) == "master"]

    def master(self) -> int:
        """The port of a server that takes writes.

        Raises:
            AssertionError: there is none.
        """
        masters = self.masters()
        assert masters, "no master"
        return masters[0]

    def role(self, port: int) -> str:
        """What a server is; empty if it does not answer."""
        with contextlib.suppress(Exception), self.client(port) as client:
            role: Any = client.role()
            return str(role[0].decode())
        return ""

    def replicas_of(self, port: int) -> list[int]:
        """The ports of the replicas of a master that are in step with it; none of a replica."""
        with self.client(port) as client:
            role: Any = client.role()
        return [int(replica[1]) for replica in role[2]] if role[0] == b"master" else []

    def kill(self, port: int) -> None:
        """Ends a server at once."""
        self.processes[port].kill()
        self.processes[port].wait()

    def freeze(self, port: int) -> None:
        """Stops a server: it keeps its connections and answers nothing."""
        os.kill(self.processes[port].pid, signal.SIGSTOP)

    def thaw(self, port: int) -> None:
        """Lets a frozen server go on."""
        os.kill(self.processes[port].pid, signal.SIGCONT)

    def logs(self) -> str:
        """The end of each server's log."""
        files = sorted(self.folder.glob("*/log"))
        return "\n".join(f"{file}:\n{file.read_text()[-4_000:]}" for file in files)

    def start(self, port: int) -> None:
        """Starts a server that was killed; the others tell it what it is now."""
        self.processes[port] = subprocess.Popen(
            self.commands[port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


class _Servers(contextlib.ExitStack):
    """Starts servers and ends them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="vigil-redis-")))
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.commands: dict[int, list[str]] = {}
        self._taken: set[int] = set()
        self.callback(self._end_all)

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
        self.commands[port] = [str(find_redis_server()), str(config), *arguments]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(self.commands[port], stdout=log, stderr=subprocess.STDOUT)
        self.processes[port] = process
        client = Redis(host=LOOPBACK, port=port, socket_timeout=5)
        self.callback(client.close)
        _wait(lambda: _answers(client) or process.poll() is not None)
        if process.poll() is not None:
            raise LocalStackError((folder / "log").read_text())
        return client

    def _end_all(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@contextlib.contextmanager
def sentinel_group(n_replicas: int = 0, n_sentinels: int = 1) -> Iterator[Group]:
    """A master watched by Sentinels, a failover takes two seconds.

    Raises:
        LocalStackError: there is no Redis on this machine.
    """
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
        group = Group(
            f"redis+sentinel://{hosts}/{MASTER_NAME}/0", [master, *replicas],
            servers.processes, servers.commands, sentinels, servers.folder,
        )  # fmt: skip
        for port in replicas:
            _wait(partial(_is_in_step, group.client(port)))
        if n_replicas:
            first: Any = Redis(host=LOOPBACK, port=sentinels[0])
            _wait(lambda: _known(first, n_replicas, n_sentinels))
            first.close()
        yield group


@contextlib.contextmanager
def cluster_group(n_masters: int = 3, *, replicas: bool = False) -> Iterator[Group]:
    """A Cluster of masters, each with a replica if asked for; a failover takes some seconds.

    Raises:
        LocalStackError: there is no Redis on this machine.
    """
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
        _wait(lambda: all(_is_whole(node, n_masters) for node in nodes))
        all_ports = list(ports)
        if replicas:
            for master in list(nodes):
                port, bus = servers.port(), servers.port()
                copy: Any = servers.start(port, settings | {"cluster-port": str(bus)})
                copy.execute_command("CLUSTER MEET", LOOPBACK, ports[0], buses[ports[0]])
                name = master.execute_command("CLUSTER MYID").decode()
                _wait(lambda c=copy, n=name: _replicates(c, n))  # type: ignore[misc]
                nodes.append(copy)
                all_ports.append(port)
            _wait(lambda: all(_is_whole(node, len(nodes)) for node in nodes))
            # One that was never in step with its master does not stand for election.
            _wait(lambda: all(map(_is_in_step, nodes[n_masters:])))
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in ports)
        yield Group(
            f"redis+cluster://{hosts}", all_ports, servers.processes, servers.commands,
            folder=servers.folder,
        )  # fmt: skip


def _is_whole(node: Any, n_nodes: int) -> bool:
    info = node.execute_command("CLUSTER INFO")
    state = (
        info
        if isinstance(info, dict)
        else dict(line.split(":", 1) for line in info.decode().split())
    )
    return state["cluster_state"] == "ok" and int(state["cluster_known_nodes"]) == n_nodes


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


def _wait(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > give_up_at:
            raise LocalStackError(f"the servers of Redis are not ready after {_DEADLINE_S:.0f} s")
        time.sleep(_POLL_S)
