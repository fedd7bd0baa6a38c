"""The table names the best peers, the missing ones and their faults."""

from __future__ import annotations

from dataclasses import replace

from bench.comparison import Comparison, Row
from bench.engines import LIGHT, OURS, SAME
from bench.measurement import Measurement
from bench.table import comparison_table, stages_line

MEASURED = Measurement(1_000, 2.0, 0.5, 2**29, 2**28, 0, 0, 0, {"score": 1.0}, {})


def comparison(*rows: Row) -> Comparison:
    return Comparison("hourly", [Row(OURS, [MEASURED, MEASURED]), *rows])


def test_the_table_names_the_best_peer_of_each_work() -> None:
    quick, slow = replace(MEASURED, cpu_seconds=1.0), replace(MEASURED, cpu_seconds=4.0)
    table = comparison_table(
        [comparison(Row(LIGHT[0], [quick]), Row(LIGHT[1], [slow]), Row(SAME[0], [slow]))]
    )
    assert f"less work: ours over the best peer 2.00 per CPU second ({LIGHT[0].name})" in table
    assert f"the same work: ours over the best peer 8.00 per CPU second ({SAME[0].name})" in table
    assert f"and 1.00 by the clock ({SAME[0].name})" in table
    assert "| 2,000 ± 0% | 500 |" in table


def test_the_table_says_why_a_peer_is_missing() -> None:
    table = comparison_table([comparison(Row(LIGHT[0], failure="not installable: no | wheel"))])
    (line,) = [line for line in table.splitlines() if LIGHT[0].name in line]
    assert "not installable: no / wheel" in line
    assert line.count("|") == table.splitlines()[0].count("|")
    assert "less work: nothing to compare" in table


def test_the_table_says_what_a_peer_got_wrong() -> None:
    wrong = replace(MEASURED, missing=3, repeated=1)
    table = comparison_table([comparison(Row(LIGHT[0], [MEASURED, wrong]))])
    assert "| 3 missing, 1 repeated |" in table


def test_the_stages_are_shares_largest_first() -> None:
    measured = replace(MEASURED, stages={"poll": 1.0, "score": 3.0})
    assert stages_line("hourly", measured) == "- hourly: score 75%, poll 25%"
