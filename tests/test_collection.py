"""Runs of a part of the tests import less, and leave no test of that part out."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.doctest import DoctestModule

from tests.conftest import pytest_collect_file, pytest_ignore_collect
from tests.support.paths import ROOT

SERVERS = re.compile(r"\bstack\b: |mark\.integration")


def ignored(path: Path) -> bool:
    """Whether a run of servers' tests alone passes a file or a folder by."""
    config: Any = SimpleNamespace(getoption=lambda _: "integration and not images")
    return bool(pytest_ignore_collect(path, config))


def test_a_run_of_servers_alone_leaves_none_of_their_tests_out() -> None:
    tests = ROOT / "tests"
    files = [file for file in tests.rglob("test_*.py") if file != Path(__file__)]
    of_servers = [file for file in files if SERVERS.search(file.read_text())]
    assert len(of_servers) > 20
    for file in of_servers:
        folders = [folder for folder in file.parents if folder.is_relative_to(tests)]
        assert not any(map(ignored, (file, *folders))), file


def test_a_run_of_servers_alone_spares_files_and_folders_without() -> None:
    assert ignored(ROOT / "tests/test_layout.py")
    assert ignored(ROOT / "tests/trainer/explain")  # its conftest.py loads PyTorch


@pytest.mark.parametrize(
    ("file", "has_examples"), [("core/time.py", True), ("local/errors.py", False)]
)
def test_examples_are_looked_for_where_there_are_some(
    file: str, has_examples: bool, request: pytest.FixtureRequest
) -> None:
    path = ROOT / "streamer" / file
    collector = DoctestModule.from_parent(request.session, path=path)
    hook = pytest_collect_file(path)
    next(hook)
    with pytest.raises(StopIteration) as ended:
        hook.send([collector])
    assert ended.value.value == ([collector] if has_examples else [])
