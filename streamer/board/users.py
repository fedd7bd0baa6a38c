"""The file of the board's users: argon2id hashes of passwords and PINs, read when it changes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from streamer.board.people import Role

# OWASP, Password Storage Cheat Sheet (2024): 19 MiB, two passes, one lane.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY: Final = _HASHER.hash(os.urandom(16))
LEAST_PASSWORD: Final = 10
LEAST_PIN: Final = 6
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class UsersFileError(ValueError):
    """The file of users cannot be used; the text says why."""


class User(msgspec.Struct):
    """One account as the file has it; ``wards`` is null where all may be seen."""

    role: str
    password: str
    name: str = ""
    wards: list[str] | None = None
    pin: str | None = None

    @property
    def version(self) -> str:
        """Changes with the password: a session of before is void."""
        return hashlib.sha256(self.password.encode()).hexdigest()[:16]

    @property
    def rank(self) -> Role:
        """The role as a rank."""
        return Role.of(self.role)


class _Content(msgspec.Struct):
    users: dict[str, User] = {}


class UsersFile:
    """Reads and changes the file.

    Args:
        path: of the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._users: dict[str, User] = {}

    def all(self) -> dict[str, User]:
        """Returns the users as the file has them now.

        Raises:
            UsersFileError: it cannot be read, or is none.
        """
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen, self._users = None, {}
            return {}
        except OSError as error:
            raise UsersFileError(f"{self._path}: {error.strerror}") from error
        seen = status.st_mtime_ns, status.st_size, status.st_ino
        if seen != self._seen:
            self._users = self._read()
            self._seen = seen
        return self._users

    def find(self, name: str) -> User | None:
        """Returns a user; ``None`` where there is none, or the file cannot be used."""
        try:
            return self.all().get(name)
        except UsersFileError:
            return None

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, User]]:
        """Yields the users, and writes them back if the block ends well: all or nothing.

        Raises:
            UsersFileError: the file cannot be read or written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Two commands at once: the second waits, and changes what the first has written.
            with self._path.with_name(self._path.name + ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                users = self._read() if self._path.exists() else {}
                yield users
                self._write(users)
        except OSError as error:
            raise UsersFileError(f"{self._path}: {error.strerror}") from error

    def _read(self) -> dict[str, User]:
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
            for user in content.users.values():
                Role.of(user.role)
        except OSError as error:
            raise UsersFileError(f"{self._path}: {error.strerror}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            raise UsersFileError(f"{self._path} is not a file of users: {error}") from error
        return content.users

    def _write(self, users: dict[str, User]) -> None:
        content = msgspec.json.format(msgspec.json.encode(_Content(users)), indent=1)
        # `mkstemp` gives 0600; the rename makes the change whole for every reader.
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".users-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def check_name(name: str) -> str:
    """Returns the name of an account.

    Raises:
        ValueError: it is none; the text says what one is.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a user name: letters, digits and . _ @ -, 64 at most")
    return name


def hash_password(password: str) -> str:
    """Returns the hash of a password.

    Raises:
        ValueError: it is too short.
    """
    if len(password) < LEAST_PASSWORD:
        raise ValueError(f"the password is too short: {LEAST_PASSWORD} characters or more")
    return _HASHER.hash(password)


def hash_pin(pin: str) -> str:
    """Returns the hash of a PIN.

    Raises:
        ValueError: it is none: digits only, six or more.
    """
    if not (pin.isascii() and pin.isdigit() and len(pin) >= LEAST_PIN):
        raise ValueError(f"a PIN has {LEAST_PIN} digits or more, and nothing else")
    return _HASHER.hash(pin)


def is_secret_of(hashed: str | None, secret: str) -> bool:
    """Whether a password or PIN is the right one; it takes as long where there is none."""
    try:
        return _HASHER.verify(hashed or _NOBODY, secret) and hashed is not None
    except (Argon2Error, InvalidHashError):
        return False
