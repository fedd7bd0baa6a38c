from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from streamer.board.users import (
    User,
    UsersFile,
    UsersFileError,
    check_name,
    hash_password,
    hash_pin,
    is_secret_of,
)


@pytest.fixture
def file(tmp_path: Path) -> UsersFile:
    return UsersFile(tmp_path / "deep" / "users.json")


def add(file: UsersFile, name: str, hashed: str = "x") -> None:
    with file.changing() as users:
        users[name] = User("nurse", hashed)


def test_a_change_is_whole_private_and_seen_by_other_readers(
    file: UsersFile, tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "users.json"
    reader = UsersFile(path)
    assert reader.all() == {}
    add(file, "a.nurse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert reader.find("a.nurse") is not None
    with file.changing() as users:
        del users["a.nurse"]
    assert reader.find("a.nurse") is None
    assert {p.name for p in path.parent.iterdir()} == {"users.json", "users.json.lock"}


def test_a_change_that_fails_leaves_the_file_as_it_was(file: UsersFile) -> None:
    add(file, "a.nurse")
    with pytest.raises(ValueError, match="stop"), file.changing() as users:
        users["b.nurse"] = User("nurse", "x")
        raise ValueError("stop")
    assert set(file.all()) == {"a.nurse"}


def test_two_changes_at_once_are_both_kept(file: UsersFile) -> None:
    threads = [threading.Thread(target=add, args=(file, f"n{i}")) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(file.all()) == {f"n{i}" for i in range(8)}


@pytest.mark.parametrize(
    "content",
    [b"{", b'{"users": 3}', b"\xff", b'{"users": {"a": {"role": "god", "password": ""}}}'],
)
def test_a_damaged_file_lets_nobody_in(file: UsersFile, tmp_path: Path, content: bytes) -> None:
    add(file, "a")
    path = tmp_path / "deep" / "users.json"
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    assert file.find("a") is None
    with pytest.raises(UsersFileError, match="not a file of users"):
        file.all()


def test_passwords_and_pins() -> None:
    hashed = hash_password("correct horse")
    assert hashed.startswith("$argon2id$")
    assert is_secret_of(hashed, "correct horse")
    assert not is_secret_of(hashed, "correct horsE")
    assert not is_secret_of(None, "correct horse")
    assert not is_secret_of("damaged", "correct horse")
    with pytest.raises(ValueError, match="too short"):
        hash_password("short")
    for wrong in ("12345", "12345a", "١٢٣٤٥٦"):
        with pytest.raises(ValueError, match="digits"):
            hash_pin(wrong)
    assert is_secret_of(hash_pin("123456"), "123456")


def test_names() -> None:
    assert check_name("a.nurse@ward") == "a.nurse@ward"
    for wrong in ("", "a b", "../x", "a" * 65, "-a"):
        with pytest.raises(ValueError, match="not a user name"):
            check_name(wrong)
