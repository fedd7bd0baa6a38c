"""`LocalStack`: Kafka and Redis in one folder, for as long as a `with` block lasts."""

import fcntl
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console

from streamer.local import ports
from streamer.local.errors import LocalStackError
from streamer.local.kafka import KafkaServer
from streamer.local.redis import RedisServer
from streamer.local.server import START_DEADLINE_S, STOP_DEADLINE_S, Server

# The servers of a killed stack die with it, but a JVM needs a moment to end.
_LOCK_DEADLINE_S = 3.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class StackPorts:
    """Loopback ports of a stack.

    Attributes:
        kafka: port of Kafka; None or 0 is any free one.
        redis: the same for Redis.
        kafka_proxy: port of a proxy in front of Kafka. Kafka then has a second listener that sends
            its clients to this port; the proxy passes them on to `kafka_server.behind_proxy_port`.
    """

    kafka: int | None = None
    redis: int | None = None
    kafka_proxy: int | None = None


class LocalStack:
    """A real Kafka and a real Redis that this process starts and stops::

        with LocalStack() as stack:
            consumer = KafkaConsumer(bootstrap_servers=stack.kafka)
            client = Redis.from_url(stack.redis)

    No server outlives this process, even if it is killed. Data written before a server was killed
    is there when it starts again on the same folder.

    Args:
        data_dir: folder of data, settings and logs; None is a temporary folder that is removed at
            the end.
        stack_ports: ports to listen on; any free ones by default.
        existing_kafka: `host:port` of a Kafka that runs already: none is started here.
        existing_redis: URL of a Redis that runs already: none is started here.
        console: shows the progress of a first download; standard error by default.
        start_deadline_s: seconds in which both must answer.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        *,
        stack_ports: StackPorts | None = None,
        existing_kafka: str | None = None,
        existing_redis: str | None = None,
        console: Console | None = None,
        start_deadline_s: float = START_DEADLINE_S,
    ) -> None:
        self._data_dir = None if data_dir is None else Path(data_dir)
        self._ports = stack_ports or StackPorts()
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
        """Redis' URL with the right to everything, also CONFIG SET and FLUSHALL.

        An existing Redis may allow less: its own URL is returned.
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
        """Start the servers that do not exist yet, and wait until both answer.

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
        if self._existing_redis is None:
            port = ports.choose(self._ports.redis, "Redis")
            self._redis = RedisServer(folder / "redis", port, held=[self._lock])
        if self._existing_kafka is None:
            port = ports.choose(self._ports.kafka, "Kafka")
            self._kafka = KafkaServer(
                folder / "kafka",
                port,
                [self._lock],
                self._console,
                proxy_port=self._ports.kafka_proxy,
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
    """Lock a folder; returns the descriptor of the lock file, which the servers keep open, too.

    A `flock` lasts until the last process that has the file open has ended. So a folder is free
    only when no server of an earlier, killed stack writes to it any more.

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
