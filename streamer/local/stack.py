"""Kafka and Redis together, in one folder, for as long as a `with` block lasts."""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console

from streamer.local import ports
from streamer.local.errors import LocalStackError
from streamer.local.kafka import KafkaServer
from streamer.local.redis import RedisServer
from streamer.local.server import START_DEADLINE_S, STOP_DEADLINE_S, Server

# Servers of a stack that was killed die with it, but a JVM needs a moment to give back its memory.
_LOCK_DEADLINE_S = 3.0
_POLL_S = 0.05


class LocalStack:
    """A real Kafka and a real Redis that this process starts and stops::

        with LocalStack() as stack:
            consumer = KafkaConsumer(bootstrap_servers=stack.kafka)
            client = Redis.from_url(stack.redis)

    No server outlives this process, even if it is killed. Data written before a server was killed
    is there when it starts again on the same folder.

    Args:
        data_dir: where data, settings and logs are kept; None is a temporary folder that is
            removed at the end.
        kafka_port: loopback port for Kafka; None or 0 is any free one.
        redis_port: the same for Redis.
        kafka_proxy_port: Kafka has a second listener whose clients are told to come to this port;
            what listens there passes them on to `kafka_server.behind_proxy_port`.
        existing_kafka: `host:port` of a Kafka that runs already: none is started here.
        existing_redis: URL of a Redis that runs already: none is started here.
        console: where a first download shows its progress; standard error by default.
        start_deadline_s: how long both may take until they answer.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        *,
        kafka_port: int | None = None,
        redis_port: int | None = None,
        kafka_proxy_port: int | None = None,
        existing_kafka: str | None = None,
        existing_redis: str | None = None,
        console: Console | None = None,
        start_deadline_s: float = START_DEADLINE_S,
    ) -> None:
        self._data_dir = None if data_dir is None else Path(data_dir)
        self._ports = (kafka_port, redis_port)
        self._kafka_proxy_port = kafka_proxy_port
        self._existing_kafka = existing_kafka or None
        self._existing_redis = existing_redis or None
        self._console = console
        self._start_deadline_s = start_deadline_s
        self._temporary: Path | None = None
        self._lock: int | None = None
        self._kafka: KafkaServer | None = None
        self._redis: RedisServer | None = None

    @property
    def kafka(self) -> str:
        """Kafka's bootstrap address, `host:port`."""
        return self._existing_kafka or self.kafka_server.address

    @property
    def redis(self) -> str:
        """Redis' URL, with its password."""
        return self._existing_redis or self.redis_server.url

    @property
    def redis_admin(self) -> str:
        """Redis' URL for what programs may not do, such as CONFIG SET and FLUSHALL.

        What a Redis that was not started here allows is its owner's business.
        """
        return self._existing_redis or self.redis_server.admin_url

    @property
    def kafka_server(self) -> KafkaServer:
        """The Kafka process, to stop, kill and start it on its own.

        Raises:
            LocalStackError: the stack is not running, or uses a Kafka that it did not start.
        """
        if self._kafka is None:
            raise LocalStackError("this stack has not started a Kafka")
        return self._kafka

    @property
    def redis_server(self) -> RedisServer:
        """The Redis process, to stop, kill and start it on its own.

        Raises:
            LocalStackError: the stack is not running, or uses a Redis that it did not start.
        """
        if self._redis is None:
            raise LocalStackError("this stack has not started a Redis")
        return self._redis

    def start(self) -> Self:
        """Start what is not there already and wait until both answer.

        Raises:
            LocalStackError: a port or the folder is in use, Java or redis-server is missing, there
                is no network for the first download, or a server did not come up. Nothing is left
                running then.
        """
        if self._lock is not None:
            raise LocalStackError("this stack runs already")
        try:
            self._start()
        except BaseException:  # also Ctrl-C and SystemExit from a signal handler
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop both servers, in order and at the same time; harmless when they are stopped."""
        servers = self._servers()
        try:
            for server in servers:
                server.ask_to_stop()
            give_up_at = time.monotonic() + STOP_DEADLINE_S
            for server in servers:
                server.wait_until_stopped(max(0.0, give_up_at - time.monotonic()))
        finally:  # a second Ctrl-C does not wait
            for server in servers:
                server.kill()
            self._leave_folder()

    def _leave_folder(self) -> None:
        self._kafka = self._redis = None
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            os.close(self._lock)
            self._lock = None
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _servers(self) -> list[Server]:
        return [server for server in (self._redis, self._kafka) if server is not None]

    def _start(self) -> None:
        if self._existing_kafka and self._existing_redis:
            return
        folder = self._open_folder()
        self._lock = _take(folder / "stack.lock")
        kafka_port, redis_port = self._ports
        if self._existing_redis is None:
            port = ports.choose(redis_port, "Redis")
            self._redis = RedisServer(folder / "redis", port, held=[self._lock])
        if self._existing_kafka is None:
            port = ports.choose(kafka_port, "Kafka")
            self._kafka = KafkaServer(
                folder / "kafka",
                port,
                [self._lock],
                self._console,
                proxy_port=self._kafka_proxy_port,
            )
        for server in self._servers():
            server.launch()
        give_up_at = time.monotonic() + self._start_deadline_s
        for server in self._servers():
            server.wait_until_ready(max(0.0, give_up_at - time.monotonic()))

    def _open_folder(self) -> Path:
        try:
            if self._data_dir is None:
                self._temporary = Path(tempfile.mkdtemp(prefix="vigil-"))
                return self._temporary
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LocalStackError(
                f"the data folder cannot be made: {error}. Give a folder that can be written"
            ) from error
        return self._data_dir.resolve()


def _take(lock: Path) -> int:
    """Hold a folder's lock; returns the open file, which the servers hold open, too.

    A `flock` lasts until the last process that has the file open is gone. With the servers among
    them, a folder is free only when no server of an earlier, killed stack writes to it any more.

    Raises:
        LocalStackError: another stack holds it, or the folder cannot be written.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalStackError(
            f"the data folder {lock.parent} cannot be written: {error}. Give another one"
        ) from error
    give_up_at = time.monotonic() + _LOCK_DEADLINE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < give_up_at:
                time.sleep(_POLL_S)
                continue
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise LocalStackError(
                f"the data folder {lock.parent} is in use by another stack (process {holder}): "
                "stop that one, or give another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor
