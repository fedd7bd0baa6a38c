from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from trainer.archive.source import SCHEME
from trainer.loop.disk import LEAST_BYTES, TIMES, shortage


def test_a_run_needs_three_times_the_stays_and_room_for_what_it_writes_in_any_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "archive" / "stays" / "month=2026-01" / "a.parquet"
    part.parent.mkdir(parents=True)
    with part.open("wb") as file:
        file.truncate(LEAST_BYTES)  # a hole: it takes no room
    sources = [f"{SCHEME}{tmp_path / 'archive'}", str(tmp_path / "no-such-file.parquet")]
    for free, wanted, begins in (
        (LEAST_BYTES, [], True),
        (LEAST_BYTES - 1, [], False),
        (TIMES * LEAST_BYTES, sources, True),
        (TIMES * LEAST_BYTES - 1, sources, False),
    ):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, n=free: SimpleNamespace(free=n))
        why = shortage(tmp_path, wanted)
        assert (why == "") == begins
        assert begins or f"are free in {tmp_path}" in why


def test_a_new_registry_and_files_that_vanish_while_they_are_counted_are_no_shortage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", _usage_of_a_folder_that_exists)
    assert shortage(tmp_path / "new" / "registry", []) == ""
    monkeypatch.setattr(Path, "is_file", lambda _: True)  # and gone when its size is asked for
    assert shortage(tmp_path, [str(tmp_path / "gone.parquet")]) == ""


def _usage_of_a_folder_that_exists(folder: Path) -> SimpleNamespace:
    folder.stat()
    return SimpleNamespace(free=LEAST_BYTES)
