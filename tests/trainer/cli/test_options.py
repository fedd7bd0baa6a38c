from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tests.support.small_models import random_bundle
from trainer.cli.options import check_bundle, check_writable, data_paths, refuse, use_threads
from trainer.errors import WrongUsage
from trainer.settings import TrainerSettings


def test_paths_of_the_option_override_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[str] = []
    monkeypatch.setenv("TRAINER_DATA", os.pathsep.join([str(tmp_path), "/none"]))
    assert data_paths(None, TrainerSettings(), faults) == [tmp_path, Path("/none")]
    assert faults == ["--data /none: there is no such file or folder"]
    assert data_paths([tmp_path], TrainerSettings(), faults) == [tmp_path]
    assert len(faults) == 1


def test_a_bundle_is_a_folder_with_a_manifest(tmp_path: Path) -> None:
    faults: list[str] = []
    random_bundle().save(tmp_path / "bundle")
    check_bundle("--model", tmp_path / "bundle", faults)
    check_bundle("--against", None, faults)
    assert faults == []
    check_bundle("--model", tmp_path, faults)
    assert faults == [f"--model {tmp_path}: no model bundle (a folder with manifest.json)"]


def test_a_folder_that_can_be_made_is_writable(tmp_path: Path) -> None:
    faults: list[str] = []
    check_writable("--out", tmp_path / "new" / "folder", faults)
    assert faults == []
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    check_writable("--out", tmp_path / "file", faults)
    check_writable("--out", tmp_path / "file" / "folder", faults)
    assert faults == [
        f"--out {tmp_path / 'file'}: is a file, not a folder",
        f"--out {tmp_path / 'file' / 'folder'}: cannot be written to",
    ]


def test_all_faults_are_raised_together() -> None:
    refuse([])
    with pytest.raises(WrongUsage) as raised:
        refuse(["one", "two"])
    assert raised.value.faults == ["one", "two"]


def test_threads_of_the_option_override_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_THREADS", "2")
    try:
        use_threads(None, TrainerSettings())
        assert torch.get_num_threads() == 2
        use_threads(1, TrainerSettings())
        assert torch.get_num_threads() == 1
        use_threads(0, TrainerSettings())  # 0 leaves them as they are
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(1)
