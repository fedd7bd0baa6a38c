"""The surroundings of the time to the first alert: a new user, and sizes on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.first_alert import mebibytes, newcomer


def test_a_new_user_has_an_empty_home_and_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_GROUP", "mine")
    monkeypatch.setenv("PIP_CACHE_DIR", "/cache")
    variables = newcomer(tmp_path)
    assert variables["HOME"] == str(tmp_path)
    assert variables["PIP_CACHE_DIR"] == "/cache"
    assert "STREAMER_GROUP" not in variables


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(os.urandom(2**20))
    before = mebibytes(tmp_path)
    os.link(tmp_path / "one", tmp_path / "two")
    assert mebibytes(tmp_path) == before == pytest.approx(1, abs=0.1)
