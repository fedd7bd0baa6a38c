"""Each broken rule applies to the core as it is, and the oracle notices."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bench.core_mutations import MUTATIONS, noticed
from bench.mutations import ROOT, Mutation, mutate


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.removes)
def test_a_mutation_applies_and_leaves_a_program(mutation: Mutation, tmp_path: Path) -> None:
    copy = tmp_path / mutation.file
    copy.parent.mkdir(parents=True)
    copy.write_text((ROOT / mutation.file).read_text())
    mutate(mutation, tmp_path)
    ast.parse(copy.read_text())
    assert copy.read_text() != (ROOT / mutation.file).read_text()


def test_there_are_twelve() -> None:
    assert len({mutation.removes for mutation in MUTATIONS}) == 12


@pytest.mark.parametrize("rule", ["evaluation", "smoothing", "reasons"])
def test_a_broken_rule_is_noticed(rule: str) -> None:
    (mutation,) = (m for m in MUTATIONS if m.removes.startswith(rule))
    kind = "risk" if rule == "smoothing" else rule
    assert kind in noticed(mutation, patients=3)
