"""Each mutation applies to its guard and is listed in the table of guarantees."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bench.mutations import MUTATIONS, ROOT, Mutation, mutate


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.removes)
def test_a_mutation_applies_and_leaves_a_program(mutation: Mutation, tmp_path: Path) -> None:
    copy = tmp_path / mutation.file
    copy.parent.mkdir(parents=True)
    copy.write_text((ROOT / mutation.file).read_text())
    mutate(mutation, tmp_path)
    ast.parse(copy.read_text())
    assert copy.read_text() != (ROOT / mutation.file).read_text()
    copy.write_text("")
    with pytest.raises(ValueError, match="found 0 times"):
        mutate(mutation, tmp_path)


def test_every_guard_is_removed_in_the_table_of_guarantees() -> None:
    text = (ROOT / "docs/guarantees.md").read_text()
    rows = dict(re.findall(r"^\| (.+?) \| (`.+?) \|$", text, re.MULTILINE))
    assert {mutation.removes for mutation in MUTATIONS} <= rows.keys()
