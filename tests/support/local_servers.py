"""Servers of `streamer.local` for tests, and the processes around them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from redis import Redis

from streamer.local import LocalStack, StackPorts

NO_KAFKA = "127.0.0.1:1"  # an existing Kafka that nobody asks anything: only Redis is started


def redis_only(data_dir: Path | None = None, redis_port: int | None = None) -> LocalStack:
    return LocalStack(data_dir, stack_ports=StackPorts(redis=redis_port), existing_kafka=NO_KAFKA)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not yet reaped by its parent does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def started_since(before: list[psutil.Process]) -> list[psutil.Process]:
    """Children of this process that are new; other tests may share a stack that runs on."""
    return [child for child in psutil.Process().children() if child not in before]


@contextmanager
def redis_client(url: str) -> Iterator[Redis]:
    client = Redis.from_url(url, decode_responses=True)
    try:
        yield client
    finally:
        client.close()


def start_parent(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
