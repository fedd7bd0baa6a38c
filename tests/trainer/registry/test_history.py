from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.registry.history import History


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def old_line(model: str) -> str:
    """A line of a version without the chain."""
    return json.dumps({"time": "t", "what": "added", "model": model, "why": ""})


def test_each_line_names_the_hash_of_all_before(file: Path) -> None:
    history = History(file)
    for model in "abc":
        head = history.head()
        history.append("added", model, "why")
        assert history.entries()[-1]["chain"] == head
    assert [entry["model"] for entry in history.entries()] == ["a", "b", "c"]
    assert history.faults() == []
    assert len({history.head(), *(entry["chain"] for entry in history.entries())}) == 4


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_changed_or_removed_line_is_noticed(file: Path, number: int) -> None:
    file.write_text(f"{old_line('a')}\n{old_line('b')}\n")
    history = History(file)
    for model in "cde":
        history.append("promoted", model, "why")
    assert history.faults() == []
    lines = file.read_text().splitlines()
    changed = lines.copy()
    changed[number] = changed[number].replace('"why": "', '"why": "because ')
    for other in (changed, lines[:number] + lines[number + 1 :]):
        file.write_text("\n".join(other) + "\n")
        assert any("was changed" in fault for fault in history.faults())


def test_lines_before_the_chain_are_read_and_covered_by_it(file: Path) -> None:
    file.write_text(f"{old_line('a')}\n{old_line('b')}\n")
    history = History(file)
    assert [entry["model"] for entry in history.entries()] == ["a", "b"]
    assert history.faults() == []
    history.append("added", "c", "")
    file.write_text(file.read_text().replace('"model": "a"', '"model": "z"'))
    assert history.faults() == ["a line before line 3 was changed, added or removed"]


def test_a_line_without_a_hash_after_the_chain_began_is_noticed(file: Path) -> None:
    history = History(file)
    history.append("added", "a", "")
    with file.open("a") as opened:
        opened.write(old_line("b") + "\n")
    assert history.faults() == ["line 2 is not part of the chain"]


@pytest.mark.parametrize(
    "cut", [b'{"time": "2026', b"\xff\xfe", b"[1]", b'{"time": 3}', b"[" * 9999]
)
def test_a_line_that_a_crash_has_cut_is_passed_over(file: Path, cut: bytes) -> None:
    history = History(file)
    history.append("added", "a", "")
    with file.open("ab") as opened:
        opened.write(cut)
    assert [entry["model"] for entry in history.entries()] == ["a"]
    history.append("added", "b", "")
    assert [entry["model"] for entry in history.entries()] == ["a", "b"]
    assert history.faults() == ["line 2 cannot be read"]
