"""Figures are written between the markers of the README only."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import readme


def test_figures_go_between_the_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}old\n{readme.END}after\n")
    readme.write("new", page)
    assert page.read_text() == f"before\n{readme.BEGIN}new\n{readme.END}after\n"
    page.write_text("no markers\n")
    with pytest.raises(ValueError, match="no markers"):
        readme.write("new", page)
    assert readme.BEGIN in readme.README.read_text()
    assert readme.END in readme.README.read_text()
