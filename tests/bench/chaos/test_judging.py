from __future__ import annotations

from collections import Counter

from bench.chaos.judging import Judgement, table


def test_judgements_add_up_and_are_shown() -> None:
    total = Judgement()
    total.add(Judgement(Counter(risk=3), Counter(risk=1), ["0/1 risk"]))
    total.add(Judgement(Counter(risk=1_000, alert=1)))
    assert total.faults.total() == 1
    lines = table(total).splitlines()
    assert "| risk | 1,003 | 1 |" in lines
    assert "| alert | 1 | 0 |" in lines
    assert total.examples == ["0/1 risk"]
