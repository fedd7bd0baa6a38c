"""The engines to measure: the service and its peers, their delivery and how each is started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.cores import Cores
from bench.loads import Backlog
from bench.peers import install
from bench.peers.peer_config import PeerConfig
from bench.services import RUN, ServiceProcess, environment, settings_of
from streamer.adapters.kafka.topics import TopicSpec, ensure
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine.

    Attributes:
        name: its name in the tables.
        module: its module in `bench.peers`; empty for the service.
        delivery: how often a message comes out after a crash.
        state: where the state is kept, and how often it is written.
        work: a peer's work, "light" or "same", see `bench.peers.work`; the service does "all".
        tree: root of the tree that the service is run from; empty for this one.
        variables: settings of the service that differ from the others'.
    """

    name: str
    module: str
    delivery: str
    state: str
    work: str = "light"
    tree: str = ""
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def is_service(self) -> bool:
        """Whether it is Vigil, of this tree or of another."""
        return not self.module

    def path(self) -> dict[str, str]:
        """The variables that make a process use this tree; else the present folder comes first."""
        return {"PYTHONPATH": self.tree, "PYTHONSAFEPATH": "1"} if self.tree else {}

    def more(self) -> dict[str, str]:
        """What the process needs besides: its tree and its own settings."""
        return self.path() | dict(self.variables)


OURS: Final = Engine("Vigil", "", "exactly once", "Redis, fenced, by second", "all")
LIGHT: Final = (
    Engine("Quix Streams", "quix", "exactly once", "RocksDB and changelog, by second"),
    Engine("Bytewax", "bytewax", "at least once", "SQLite, by second"),
    Engine("Faust", "faust", "exactly once", "RocksDB and changelog, by event"),
    Engine("plain loop", "plain", "at least once", "Redis, by poll"),
)
"""Peers with a simpler row and no hours: less work, and another risk than the trainer's."""
SAME: Final = tuple(
    replace(peer, name=f"{peer.name}, same risk", work="same")
    for peer in LIGHT
    if peer.module != "faust"  # with the light work it has 2 % of the others' speed already
)
"""Peers with the trainer's features, hours, limits and calibration: our risk to 1e-5."""


@dataclass(frozen=True, slots=True)
class BenchEnv:
    """The surroundings of every process that is started.

    Attributes:
        stack: the Kafka and the Redis.
        folder: folder for logs and local state.
        cores: the core of each process.
        python: interpreter of the peers' environment.
        missing: why a peer cannot be used, by its module; usable ones are not listed.
    """

    stack: LocalStack
    folder: Path
    cores: Cores
    python: Path
    missing: dict[str, str]


def earlier(revision: str, folder: Path) -> Engine:
    """The service as it was at a revision of this repository, run with today's environment.

    Args:
        revision: a commit that is in this clone.
        folder: the tree of that commit is unpacked there.

    Raises:
        subprocess.CalledProcessError: there is no such commit here.
    """
    tree = folder / revision
    tree.mkdir()
    archive = subprocess.run(
        ["git", "archive", "--format=tar", revision, "streamer", "trainer"],
        cwd=Path(__file__).parents[1], check=True, capture_output=True, timeout=60,
    ).stdout  # fmt: skip
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True, timeout=60)
    return replace(OURS, name=f"Vigil at {revision}", work="before", tree=str(tree))


def prepare_env(stack: LocalStack, folder: Path, cores: Cores, peers: bool = True) -> BenchEnv:
    """Makes the peers' environment, if ``peers``."""
    python, missing = install.environment() if peers else (Path(sys.executable), {})
    return BenchEnv(stack, folder, cores, python, missing)


def settings_for(env: BenchEnv, backlog: Backlog, prefix: str) -> Settings:
    """Settings with an output topic and a group of its own, on the common backlog."""
    return settings_of(_environment(env, backlog, prefix))


def processes_for(
    engine: Engine,
    env: BenchEnv,
    backlog: Backlog,
    prefix: str,
    ports: Sequence[int],
    **more: str,
) -> list[ServiceProcess]:
    """Makes the topics; returns processes, one for each of ``ports``, that are not yet started.

    Only the service listens on its port, and has ``more`` variables.
    """
    variables = _environment(env, backlog, prefix) | more
    settings = settings_of(variables)
    if engine.is_service:
        ensure_topics(settings)
        variables |= engine.more()
        return [
            ServiceProcess(
                variables
                | {"STREAMER_HTTP_PORT": str(port), "STREAMER_INSTANCE": f"{prefix}{index}"},
                env.folder / f"{prefix}{index}.log",
                command=[*env.cores.taskset(index), *RUN],
            )
            for index, port in enumerate(ports)
        ]
    connection = settings.kafka_connection()
    ensure(connection, [TopicSpec(settings.topic_risk, settings.partitions, {})], 1)
    # The plain loop needs only what the service has.
    python = sys.executable if engine.module == "plain" else str(env.python)
    return [
        ServiceProcess(
            _peer_config(
                engine, env, settings, backlog, f"{prefix}{index}"
            ).environment(),
            env.folder / f"{prefix}{index}.log",
            command=[
                *env.cores.taskset(index), python, "-m", f"bench.peers.{engine.module}",
            ],
        )
        for index, _ in enumerate(ports)
    ]  # fmt: skip


def _environment(env: BenchEnv, backlog: Backlog, prefix: str) -> dict[str, str]:
    return environment(
        env.stack,
        prefix,
        risk_interval=backlog.interval_s,
        topic_vitals=backlog.topic,
        partitions=len(backlog.due),
    )


def _peer_config(
    engine: Engine, env: BenchEnv, settings: Settings, backlog: Backlog, name: str
) -> PeerConfig:
    return PeerConfig(
        kafka=env.stack.kafka,
        redis=env.stack.redis,
        vitals=settings.topic_vitals,
        risk=settings.topic_risk,
        group=settings.group,
        folder=str(env.folder / name),
        interval_ms=settings.interval_ms,
        partitions=len(backlog.due),
        work=engine.work,
    )
