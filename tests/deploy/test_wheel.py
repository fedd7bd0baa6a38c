"""Contents of the wheel, built from the parts that carry data."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PROGRAM = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"


def test_the_wheel_holds_all_assets_of_the_board(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", reason="setuptools builds the wheel")
    static = ROOT / "streamer" / "board" / "static"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "streamer").mkdir()
    shutil.copy(ROOT / "streamer" / "__init__.py", tmp_path / "streamer")
    shutil.copytree(static.parent, tmp_path / "streamer" / "board")
    words = [sys.executable, "-c", PROGRAM]
    subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=120, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if "/static/" in name}
    files = {str(path.relative_to(ROOT)) for path in static.rglob("*") if path.is_file()}
    assert packed == files
    assert "streamer/board/static/index.html" in files
    assert any("/vendor/" in name for name in files)
