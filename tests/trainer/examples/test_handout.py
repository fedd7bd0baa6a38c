from __future__ import annotations

from trainer.examples.handout import Table


def test_a_table_is_markdown() -> None:
    table = str(Table(["a", "bb"], [["1", "2"], ["333", "4"]]))
    assert table == "| a   | bb |\n|-----|----|\n| 1   | 2  |\n| 333 | 4  |"
