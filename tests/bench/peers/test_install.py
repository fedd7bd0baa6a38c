"""The peers' environment records which peers could not be installed, and why."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.peers import install


def test_a_peer_that_cannot_be_installed_is_recorded_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = tmp_path / "peers"
    python, missing = install.environment(folder)
    assert missing.keys() == install.PACKAGES.keys()
    assert "quixstreams" in missing["quix"]
    # What the peers share with the service is there all the same.
    subprocess.run([python, "-c", "import orjson, kafka"], timeout=60, check=True)
    made = (folder / "pyvenv.cfg").stat().st_mtime_ns
    assert install.environment(folder) == (python, missing)
    assert (folder / "pyvenv.cfg").stat().st_mtime_ns == made
