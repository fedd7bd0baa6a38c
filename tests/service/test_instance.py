from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.service import instance

HOLD = """
import sys
import tempfile
from streamer.service.instance import claim_instance
print(claim_instance(sys.argv[1]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def group() -> str:
    return f"test/{uuid.uuid4().hex}"


@contextmanager
def holder(group: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A process that holds a slot until it is killed, and the name that it got."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, group],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def slot(name: str) -> int:
    return int(name.rpartition("-")[2])


def test_processes_get_different_slots_and_a_dead_ones_is_free_again(group: str) -> None:
    with holder(group) as (first, victim), holder(group) as (second, _):
        assert (slot(first), slot(second)) == (0, 1)
        victim.kill()
        victim.wait(timeout=10)
        with holder(group) as (third, _):
            assert third == first


def test_groups_do_not_share_slots(group: str) -> None:
    with holder(group) as (first, _), holder(group + "x") as (second, _):
        assert slot(first) == slot(second) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="slots are files elsewhere")
def test_a_cleaned_or_a_readonly_temporary_folder_changes_nothing(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with holder(group) as (first, _):
        assert list(tmp_path.iterdir()) == [], "there is nothing to clean"
        with holder(group) as (second, _):
            assert (slot(first), slot(second)) == (0, 1)


def test_a_file_lock_touches_no_link_no_pipe_and_no_foreign_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    precious = tmp_path / "precious"
    precious.write_text("content")
    (tmp_path / "link.lock").symlink_to(precious)
    os.mkfifo(tmp_path / "pipe.lock")
    (tmp_path / "folder.lock").mkdir()
    assert [instance._hold_file(n) for n in ("link", "pipe", "folder")] == [False] * 3
    assert precious.read_text() == "content"
    assert instance._hold_file("good")
    assert not instance._hold_file("good"), "it is held"
    (tmp_path / "old.lock").write_text("content")
    assert instance._hold_file("old")
    assert (tmp_path / "old.lock").read_text() == "content"
