from __future__ import annotations

import math

import pytest

from bench.independent_oracle.variables import INDEX, VARIABLES, VITALS, cleaned
from tests.support.paths import ROOT


def test_the_table_is_that_of_the_document() -> None:
    rows = [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        for line in (ROOT / "docs/variables.md").read_text().splitlines()
        if line.startswith("| ") and line.split("|")[1].strip().isdecimal()
    ]
    assert [row[1] for row in rows] == [variable.name for variable in VARIABLES] == list(INDEX)
    for row, variable in zip(rows, VARIABLES, strict=True):
        assert (row[3], float(row[5]), float(row[6])) == (
            next(iter(variable.units)), variable.low, variable.high,
        )  # fmt: skip
        assert row[8] == ("" if variable.kind == "-" else variable.kind)
    assert len(VITALS) == 8


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("heart_rate", 300, None, 300.0),
        ("heart_rate", 300.5, None, None),
        ("heart_rate", 255, None, None),
        ("ph", 6.6, None, 6.6),
        ("temperature", 98.6, "[degF]", 37.0),
        ("creatinine", 88.4, "umol/L", 1.0),
        ("fio2", 40, "%", 0.4),
        ("fio2", 5, None, None),
        ("lactate", "<0.5", None, 0.5),
        ("lactate", "low", None, None),
        ("heart_rate", True, None, None),
        ("lactate", 2, "furlong", None),
        ("happiness", 2, None, None),
    ],
)
def test_a_value_is_as_the_document_says(
    name: str, value: object, unit: str | None, expected: float | None
) -> None:
    number = cleaned(name, value, unit)
    assert (number is None) == (expected is None)
    assert number is None or expected is None or math.isclose(number, expected, rel_tol=1e-6)
