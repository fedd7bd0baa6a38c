"""`RedisServer`: Redis (or Valkey) on this machine, with a password of its own.

Other users of a shared machine reach loopback ports, too. An open Redis would give them its data
and, by the commands below, its owner's files.
"""

import hashlib
import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

from streamer.local.errors import LocalStackError
from streamer.local.ports import LOOPBACK
from streamer.local.redis_binary import find_redis_server
from streamer.local.server import Server

_QUESTION_DEADLINE_S = 2.0  # loopback answers in under 1 ms, unless the server is loading its data
_PASSWORD_BYTES = 24
_ADMIN = "admin"

# Redis' category `dangerous` has the commands that write files, load code, change settings or
# delete everything: CONFIG, DEBUG, MODULE, REPLICAOF, SHUTDOWN, FLUSHALL. The three that programs
# may use nevertheless only read; `streamer check` needs them.
_PROGRAMS_MAY = "~* +@all -@dangerous +info +config|get +role"
_ADMIN_MAY = "~* +@all"


class RedisServer(Server):
    """Redis with an append-only file and without eviction: acknowledged writes survive a crash.

    The password of programs is kept with the data, so it stays valid when a server is started
    again. The administrator's password is known to this object alone.
    """

    name = "Redis"

    def __init__(self, folder: Path, port: int, held: Sequence[int] = ()) -> None:
        super().__init__(folder, port, held)
        self._password: str | None = None
        self._admin_password = secrets.token_urlsafe(_PASSWORD_BYTES)

    @property
    def url(self) -> str:
        """The URL for programs: database 0, with the password in it.

        Raises:
            LocalStackError: the server was never launched.
        """
        return f"redis://:{self._known_password}@{LOOPBACK}:{self.port}/0"

    @property
    def admin_url(self) -> str:
        """The URL with the right to every command: CONFIG SET, FLUSHALL, REPLICAOF and so on."""
        return f"redis://{_ADMIN}:{self._admin_password}@{LOOPBACK}:{self.port}/0"

    @property
    def _known_password(self) -> str:
        if self._password is None:
            raise LocalStackError(f"{self.name} was not started")
        return self._password

    def _prepare(self) -> list[str]:
        self._password = _kept_password(self.folder / "password")
        settings = {
            "port": str(self.port),
            "bind": LOOPBACK,
            "dir": ".",
            "daemonize": "no",
            "save": '""',  # the append-only file alone is the data
            "appendonly": "yes",
            # A killed process loses nothing, a lost machine at most a second: replayed from Kafka.
            "appendfsync": "everysec",
            # A silently evicted patient's state would be worse than a refused write.
            "maxmemory-policy": "noeviction",
        }
        lines = [f"{key} {value}" for key, value in settings.items()]
        lines.append(f"user default on {_hashed(self._password)} {_PROGRAMS_MAY}")
        lines.append(f"user {_ADMIN} on {_hashed(self._admin_password)} {_ADMIN_MAY}")
        # In a file, since everybody on a machine can read the arguments of a process.
        _write_privately(self.folder / "redis.conf", "".join(f"{line}\n" for line in lines))
        return [str(find_redis_server()), "redis.conf"]

    def _answers(self) -> bool:
        try:
            with socket.create_connection(
                (LOOPBACK, self.port), _QUESTION_DEADLINE_S
            ) as connection:
                connection.sendall(f"AUTH {self._known_password}\r\nPING\r\n".encode())
                with connection.makefile("rb") as stream:
                    # -LOADING while it reads its file
                    return stream.readline() == b"+OK\r\n" and stream.readline() == b"+PONG\r\n"
        except OSError:
            return False


def _kept_password(file: Path) -> str:
    """The password in `file`; if there is none, a new one is drawn and written there."""
    if file.is_file() and (kept := file.read_text().strip()):
        return kept
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    _write_privately(file, f"{password}\n")
    return password


def _hashed(password: str) -> str:
    """The form of a password in an access rule: its SHA-256."""
    return f"#{hashlib.sha256(password.encode()).hexdigest()}"


def _write_privately(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
