"""The password of the Redis that `streamer up` runs, as other commands find it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from streamer.adapters.redis.local import announced, default_url
from streamer.service.settings import Settings
from trainer.settings import TrainerSettings

OPEN = "redis://127.0.0.1:6379/0"
CLOSED = "redis://:secret@127.0.0.1:6379/0"


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "vigil"


def test_an_announced_redis_is_the_default_of_both_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().redis() == OPEN
    with announced(CLOSED):
        assert Settings().redis() == CLOSED
        assert TrainerSettings().redis() == CLOSED
        monkeypatch.setenv("REDIS_URL", "redis://elsewhere:1/0")
        assert Settings().redis() == "redis://elsewhere:1/0"
        monkeypatch.delenv("REDIS_URL")
    assert Settings().redis() == OPEN


def test_the_file_of_a_killed_stack_is_ignored(state: Path) -> None:
    state.mkdir()
    (state / "redis-6379").write_text("redis://:longer-and-older@127.0.0.1:6379/0")
    assert default_url() == OPEN
    with announced(CLOSED):
        assert default_url() == CLOSED


def test_a_redis_on_another_port_is_not_announced(state: Path) -> None:
    with announced("redis://:secret@127.0.0.1:16379/0"):
        assert default_url() == OPEN
    assert not state.exists()


def test_no_other_user_reads_the_url(state: Path) -> None:
    with announced(CLOSED):
        (file,) = state.iterdir()
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(state.iterdir())


def test_a_user_without_a_home_has_the_open_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setattr(Path, "home", no_home)
    assert default_url() == OPEN
