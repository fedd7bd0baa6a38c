from __future__ import annotations

from pathlib import Path

import pytest

from trainer.atomic import write_atomically


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
