"""Each promise names an existing test, and each test of the failure matrix is named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.paths import ROOT

NAMED = re.findall(
    r"`(tests/[\w/]+\.py)::(\w+)(?:\[(\w+)\])?`", (ROOT / "docs/guarantees.md").read_text()
)


def cases_of(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_named_test_exists() -> None:
    assert len(NAMED) > 20
    for file, name, case in NAMED:
        assert name in cases_of(ROOT / file), (file, name)
        assert f'"{case}"' in (ROOT / file).read_text() or not case, (file, case)


def test_each_test_of_the_matrix_is_named() -> None:
    for file in sorted((ROOT / "tests/faults").glob("test_*.py")):
        named = {name for path, name, _ in NAMED if path == str(file.relative_to(ROOT))}
        assert cases_of(file) == named, file.name
