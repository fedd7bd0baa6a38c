"""Fixtures of the command tests: the command itself, stays to learn from, a Redis database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis

from streamer.local import LocalStack
from tests.support.synthetic_cohort import learnable_file
from trainer import cli


@dataclass(frozen=True)
class CommandResult:
    """The exit code and both outputs of a command."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRAINER_ALLOW_UNSIGNED_MODELS", "true")
    for name in ("DATA", "CRON", "EVERY", "KNOBS", "THREADS", "LOG_FORMAT"):
        monkeypatch.delenv(f"TRAINER_{name}", raising=False)
    monkeypatch.setenv("TRAINER_REGISTRY", str(tmp_path / "registry"))


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: object) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["trainer", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return CommandResult(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def redis_url(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of its own: commands have no namespace, and other tests look at the champion."""
    url = urlsplit(stack.redis)._replace(path="/8").geturl()
    monkeypatch.setenv("REDIS_URL", url)
    yield url
    with Redis.from_url(urlsplit(stack.redis_admin)._replace(path="/8").geturl()) as client:
        client.flushdb()
