"""Machines on which something is short, and names that meet: the service works, or says why not."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from kafka import KafkaProducer

from bench.one_bad_thing.scene import BAD, READY_S, Scene, observation, scene, wait_for
from bench.one_bad_thing.things import Figure
from streamer.local import LocalStack, ports

_RUN: Final = 'exec "$@"'
_NAMESPACE: Final = "exec unshare --user --map-root-user --mount bash -c"
FULL_DISK: Final = (
    'mount -t tmpfs -o size=64k none /tmp; head -c 1M /dev/zero >/tmp/full; exec "$@" 2>/tmp/log'
)
READ_ONLY: Final = 'mount -t tmpfs -o ro none /tmp; mount -t tmpfs -o ro none /var/tmp; exec "$@"'


class Handicap(NamedTuple):
    """A name, what measures it in a folder, and whether it hides what lies below /tmp."""

    name: str
    measure: Callable[[LocalStack, Path, str], list[Figure]]
    hides_tmp: bool = False


def _works(shell: str) -> Callable[[LocalStack, Path, str], list[Figure]]:
    """Measures a service that a script starts: that it scores, and that it ends in order."""

    def measure(stack: LocalStack, folder: Path, prefix: str) -> list[Figure]:
        began = time.monotonic()
        with scene(stack, folder, prefix, shell) as one:
            scored_s = time.monotonic() - began
            code, ended_s = one.service.terminate()
        return [
            Figure("scored within", scored_s, READY_S),
            Figure("exit code", float(code), 1, ""),
            Figure("ended within", ended_s, 10),
        ]

    return measure


def _in_namespace(script: str) -> str:
    return f"{_NAMESPACE} '{script}' bash \"$@\""


def _one_name(stack: LocalStack, folder: Path, prefix: str) -> list[Figure]:
    """Two services of one name: one ends and says so."""
    with scene(stack, folder, prefix) as one:
        twin = one.process("service", "", {"STREAMER_HTTP_PORT": "0"})
        began = time.monotonic()
        twin.start()
        try:
            both = (one.service, twin)
            wait_for(lambda: any(s.exit_code is not None for s in both), "an end")
            ended_s = time.monotonic() - began
            is_named = any("another process works under the same name" in s.log for s in both)
        finally:
            twin.stop()
    return [
        Figure("one ends within", ended_s, 30),
        Figure("without a reason", float(not is_named), 1, ""),
    ]


def _cleaned(stack: LocalStack, folder: Path, prefix: str) -> list[Figure]:
    """The temporary folder is emptied while two services of this host have slots: both work."""
    one = Scene(stack, folder, prefix)
    temporary = Path(tempfile.mkdtemp(dir=folder))
    urls = [ports.choose(None, "the service") for _ in range(2)]
    services = [
        one.process(
            f"slot{i}",
            "",
            {"STREAMER_INSTANCE": "", "STREAMER_HTTP_PORT": str(url), "TMPDIR": str(temporary)},
        )
        for i, url in enumerate(urls)
    ]
    with contextlib.ExitStack() as ends:
        for service in services:
            ends.callback(service.stop)
            service.start()
            wait_for(lambda log=service: "partition taken" in log.log, "a partition")  # type: ignore[misc]
            shutil.rmtree(temporary)
            temporary.mkdir()
        offset = one.send(observation("p", int(time.time() * 1000)), "p")
        scored_s = one.scored_s(offset)
        time.sleep(5)
        gone = sum(service.exit_code is not None for service in services)
        fenced = sum(service.log.count("same name") for service in services)
    return [
        Figure("scored within", scored_s, 30),
        Figure("ended", float(gone), 1, ""),
        Figure("fenced", float(fenced), 1, ""),
    ]


def _quiet(stack: LocalStack, folder: Path, prefix: str) -> list[Figure]:
    """A partition has only the marker of a transaction; the service is ready, restarted too."""
    one = Scene(stack, folder, prefix)
    producer = KafkaProducer(**one.settings.kafka_connection(), transactional_id=f"{prefix}marker")
    with contextlib.closing(producer):
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(one.settings.topic_vitals, b"{}", b"p", partition=BAD).get(READY_S)
        producer.abort_transaction()
    figures = []
    for which in ("ready within", "ready again within"):
        began = time.monotonic()
        one.service.start()
        try:
            wait_for(lambda: one.readiness()[0] == 200, "readiness", READY_S)
            figures.append(Figure(which, time.monotonic() - began, 30))
            time.sleep(5)
            late = Figure("not ready 5 s later", float(one.readiness()[0] != 200), 1, "")
            figures.append(late)
        finally:
            one.service.stop()
    return figures


HANDICAPS: Final = (
    Handicap("`ulimit -n 64`", _works(f"ulimit -n 64; {_RUN}")),
    Handicap("`2>/dev/full`", _works(f"{_RUN} 2>/dev/full")),
    Handicap("no file may grow (`ulimit -f 0`)", _works(f"ulimit -f 0; {_RUN}")),
    Handicap("a full disk under log and temporary files", _works(_in_namespace(FULL_DISK)), True),
    Handicap("temporary folders are read-only", _works(_in_namespace(READ_ONLY)), True),
    Handicap("two services of one name", _one_name),
    Handicap("the temporary folder is emptied under two services", _cleaned),
    Handicap("a quiet partition with a marker alone", _quiet),
)
