from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from trainer.atomic import write_atomically, write_secret_once


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with pytest.raises(RuntimeError), write_atomically(file) as new:
        new.write(b"new")
        assert file.read_bytes() == b"old"
        raise RuntimeError
    assert file.read_bytes() == b"old"
    with write_atomically(file) as new:
        new.write(b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_is_written_once_and_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_secret_once(file, b"one")
    with pytest.raises(FileExistsError):
        write_secret_once(file, b"two")
    assert file.read_bytes() == b"one"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_full_disk_leaves_nothing_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a key would be there already when somebody tries again."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    file = tmp_path / "file"
    with pytest.raises(OSError, match=f"No space left on device: '{file}'"):
        write_secret_once(file, b"secret")
    with (
        pytest.raises(OSError, match=f"No space left on device: '{file}'"),
        write_atomically(file) as new,
    ):
        new.write(b"content")
    assert list(tmp_path.iterdir()) == []
