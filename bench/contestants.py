"""Who is measured: the service and its peers, how each is started and what each promises."""

from __future__ import annotations

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
from streamer.adapters.kafka.topics import Wanted, ensure
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics


@dataclass(frozen=True, slots=True)
class Contestant:
    """One engine.

    Attributes:
        name: for the tables.
        module: what is run; empty for the service.
        promise: what of a message can be relied on after a crash.
        keeps: where the state is.
        work: a peer's work, see `bench.peers.work`.
    """

    name: str
    module: str
    promise: str
    keeps: str
    work: str = "light"


OURS: Final = Contestant("Vigil", "", "exactly once", "Redis, fenced, by batch", "all")
LIGHT: Final = (
    Contestant("Quix Streams", "quix", "exactly once", "RocksDB and changelog, by second"),
    Contestant("Bytewax", "bytewax", "at least once", "SQLite, by second"),
    Contestant("Faust", "faust", "exactly once", "RocksDB and changelog, by event"),
    Contestant("plain loop", "plain", "at least once", "Redis, by poll"),
)
"""With a simpler row and no hours: less work, and another risk than the trainer's."""
SAME: Final = tuple(
    replace(peer, name=f"{peer.name}, same risk", work="same")
    for peer in LIGHT
    if peer.module != "faust"  # 2 % of the others' speed with the light work already
)
"""With the trainer's features, hours, limits and calibration: the risk is ours to 1e-5."""


@dataclass(frozen=True, slots=True)
class BenchEnv:
    """What every start needs.

    Attributes:
        stack: where Kafka and Redis run.
        folder: for logs and local state.
        cores: which core each process gets.
        python: of the peers' environment.
        missing: by module of a peer, why it cannot be used.
    """

    stack: LocalStack
    folder: Path
    cores: Cores
    python: Path
    missing: dict[str, str]


def bench_env(stack: LocalStack, folder: Path, cores: Cores, peers: bool = True) -> BenchEnv:
    """Readies the peers' environment, if they are wanted."""
    python, missing = install.environment() if peers else (Path(sys.executable), {})
    return BenchEnv(stack, folder, cores, python, missing)


def settings_for(bench_env: BenchEnv, backlog: Backlog, prefix: str) -> Settings:
    """Names of a contestant's own topics and group on the common backlog."""
    return settings_of(_environment(bench_env, backlog, prefix))


def ready(
    contestant: Contestant, bench_env: BenchEnv, backlog: Backlog, prefix: str, ports: Sequence[int]
) -> list[ServiceProcess]:
    """Makes the topics and returns the processes, one for each of ``ports``, not yet started.

    Only the service answers on its port.
    """
    told = _environment(bench_env, backlog, prefix)
    settings = settings_of(told)
    if contestant is OURS:
        ensure_topics(settings)
        return [
            ServiceProcess(
                told | {"STREAMER_HTTP_PORT": str(port), "STREAMER_INSTANCE": f"{prefix}{place}"},
                bench_env.folder / f"{prefix}{place}.log",
                command=[*bench_env.cores.taskset(place), *RUN],
            )
            for place, port in enumerate(ports)
        ]
    connection = settings.kafka_connection()
    ensure(connection, [Wanted(settings.topic_risk, settings.partitions, {})], 1)
    # The plain loop needs nothing but what the service has.
    python = sys.executable if contestant.module == "plain" else str(bench_env.python)
    return [
        ServiceProcess(
            _peer_config(
                contestant, bench_env, settings, backlog, f"{prefix}{place}"
            ).environment(),
            bench_env.folder / f"{prefix}{place}.log",
            command=[
                *bench_env.cores.taskset(place), python, "-m", f"bench.peers.{contestant.module}",
            ],
        )
        for place, _ in enumerate(ports)
    ]  # fmt: skip


def _environment(bench_env: BenchEnv, backlog: Backlog, prefix: str) -> dict[str, str]:
    return environment(
        bench_env.stack,
        prefix,
        risk_interval=backlog.interval_s,
        topic_vitals=backlog.topic,
        partitions=len(backlog.due),
    )


def _peer_config(
    contestant: Contestant, bench_env: BenchEnv, settings: Settings, backlog: Backlog, name: str
) -> PeerConfig:
    return PeerConfig(
        kafka=bench_env.stack.kafka,
        redis=bench_env.stack.redis,
        vitals=settings.topic_vitals,
        risk=settings.topic_risk,
        group=settings.group,
        folder=str(bench_env.folder / name),
        interval_ms=settings.interval_ms,
        partitions=len(backlog.due),
        work=contestant.work,
    )
