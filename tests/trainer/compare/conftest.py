"""One comparison of tiny families, for all tests that look at its findings or its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamer.bundles.bundle import Bundle
from tests.support.comparison import QUIET, RECIPE, Compared, compare_tiny
from tests.support.plain_fit import drawing_nothing
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.report import plots
from trainer.fit import fit


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"), 160)


@pytest.fixture(scope="session")
def bundle(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("fit")
    with drawing_nothing():
        return fit([data], out, RECIPE, reporter=QUIET, n_bootstrap=0).bundle


@pytest.fixture(scope="session")
def compared(data: Path, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """To be looked at only: a test that changes the files takes a copy."""
    out = tmp_path_factory.mktemp("compare")
    return Compared(compare_tiny(data, out, bundle), out)


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "draw", lambda *_: [])
