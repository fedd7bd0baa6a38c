"""The table of YAIB's columns says what the task files read, in units that need no conversion."""

from __future__ import annotations

import re

from streamer.core.variables import INDEX, VARIABLES, to_canonical
from streamer.datasets.task import read_task
from tests.support.task_files import TASKS, YAIB_DYNAMIC

SPELLINGS = {"bpm": "/min", "insp/min": "/min", "C": "Cel", "°C": "Cel", "sec": "s", "% Sat.": "%"}
"""Of ricu's units, those that nobody sends as a unit."""

ROWS = [
    [cell.strip() for cell in row.split("|")[1:-1]]
    for row in re.findall(r"^\| [a-z].*$", (TASKS / "yaib.md").read_text(), re.MULTILINE)
    if not row.startswith("| column |")
]


def test_every_column_has_a_row() -> None:
    assert [column for column, *_ in ROWS] == sorted(YAIB_DYNAMIC)


def test_the_task_files_read_what_the_table_says() -> None:
    by_table = {variable: column for column, _, _, variable in ROWS if variable != "-"}
    for name in ("yaib-sepsis.toml", "yaib-death.toml"):
        read = {v: part for v, part in read_task(TASKS / name).variables.items() if v in INDEX}
        assert {v: part.column for v, part in read.items()} == by_table
        assert all(part.unit is None for part in read.values())


def test_what_is_read_comes_in_canonical_units() -> None:
    checked = 0
    for _, _, units, name in ROWS:
        if name in ("-", "ph"):  # the one without a unit
            continue
        variable = VARIABLES[INDEX[name]]
        for unit in units.split(", "):
            assert to_canonical(variable, 1.0, SPELLINGS.get(unit, unit)) == 1.0, (name, unit)
            checked += 1
    assert checked > len(VARIABLES)
