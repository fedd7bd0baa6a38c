"""Exports of another hospital as a newcomer makes them: refused, told or harmless.

These were thought of after the table of `test_wrong_preparations.py`, by asking what an export from
another record system looks like.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.variables import INDEX, VARIABLES
from streamer.datasets.cohort import Cohort, DataError
from streamer.datasets.physionet2019 import read_2019
from tests.support.invented_ward import invented_ward
from tests.support.paths import ROOT
from tests.support.synthetic_stays import COLUMNS, stay
from trainer.data.finding import Kind
from trainer.data.report import DataReport

Change = Callable[[Cohort], Cohort]


@pytest.fixture(scope="module")
def ward() -> Cohort:
    return invented_ward()


def rows_by_stay(cohort: Cohort, hours: int) -> NDArray[np.int64]:
    """(N, hours) rows of each stay, after its end -1."""
    hour = np.arange(hours)
    rows = cohort.starts[:-1, None] + hour
    return np.asarray(np.where(hour < cohort.lengths[:, None], rows, -1), np.int64)


def of_one_length(hours: int, cohort: Cohort, *, is_padded: bool) -> Cohort:
    """Each stay cut to so many hours, or padded with empty ones."""
    rows = rows_by_stay(cohort, hours)
    whole = np.flatnonzero(cohort.lengths >= hours)
    kept = cohort if is_padded else cohort.take(whole)
    rows = rows if is_padded else rows[whole]
    flat = rows.ravel()
    values = cohort.values[flat]
    values[flat < 0] = np.nan
    septic = np.repeat(kept.septic, hours)
    label = np.where(flat < 0, septic, cohort.label[flat] == 1)
    return replace(
        kept,
        starts=hours * np.arange(len(kept) + 1),
        values=values,
        label=label.astype(np.int8),
        iculos=np.tile(np.arange(hours) + 1, len(kept)).astype(np.int32),
    )


def a_value_a_day(cohort: Cohort) -> Cohort:
    """In each hour the value that its vital signs had at the beginning of the day."""
    hour = np.arange(cohort.n_rows) - np.repeat(cohort.starts[:-1], cohort.lengths)
    values = cohort.values.copy()
    vitals = [INDEX[v.name] for v in VARIABLES if v.is_vital]
    values[:, vitals] = values[np.arange(cohort.n_rows) - hour % 24][:, vitals]
    return replace(cohort, values=values)


def from_hospital_admission(cohort: Cohort) -> Cohort:
    return replace(cohort, iculos=cohort.iculos + 72)


def scaled(name: str, factor: float) -> Change:
    def change(cohort: Cohort) -> Cohort:
        values = cohort.values.copy()
        values[:, INDEX[name]] *= np.float32(factor)
        return replace(cohort, values=values)

    return change


def exchanged(one: str, other: str) -> Change:
    def change(cohort: Cohort) -> Cohort:
        values = cohort.values.copy()
        values[:, [INDEX[one], INDEX[other]]] = values[:, [INDEX[other], INDEX[one]]]
        return replace(cohort, values=values)

    return change


def ages_as_300(cohort: Cohort) -> Cohort:
    return replace(cohort, age=np.where(cohort.age > 80, 300, cohort.age).astype(np.float32))


SEEN: dict[str, tuple[Change, str]] = {
    "stays padded to one length": (lambda c: of_one_length(60, c, is_padded=True), "padded"),
    "stays cut to their first day": (
        lambda c: of_one_length(24, c, is_padded=False),
        "same_length",
    ),
    "a value of the day in each hour": (a_value_a_day, "still"),
    "ICULOS counted from hospital admission": (from_hospital_admission, "late_start"),
    "cases and as many controls": (
        lambda c: c.take(
            np.concatenate([np.flatnonzero(c.septic), np.flatnonzero(~c.septic)[:20]])
        ),
        "mostly_septic",
    ),
    "label 0 where nobody looked": (lambda c: c.take(np.flatnonzero(~c.septic)), "no_septic"),
    "ages above 89 written as 300": (ages_as_300, "age"),
    "haematocrit and haemoglobin exchanged": (
        exchanged("hematocrit", "hemoglobin"),
        "dropped:hemoglobin",
    ),
    "creatinine without its decimal point": (scaled("creatinine", 100), "dropped:creatinine"),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_is_wrong_is_told(case: str, ward: Cohort) -> None:
    change, name = SEEN[case]
    assert name in DataReport.of(change(ward)).names(Kind.WARNING)


def text_of(cells: dict[str, str], separator: str = "|", columns: tuple[str, ...] = COLUMNS) -> str:
    """Text of one stay of two hours, with these cells in its second row."""
    rows = stay(2, values={0: {"HR": 80}})
    lines = [separator.join(columns)]
    for i, row in enumerate(rows):
        texts = {name: "NaN" if row[name] is None else str(row[name]) for name in COLUMNS}
        lines.append(separator.join((texts | (cells if i else {})).values()))
    return "\n".join(lines) + "\n"


REFUSED: dict[str, tuple[str, str]] = {
    "missing cells are the word NULL": (text_of({"HR": "NULL"}), "not a number"),
    "both pressures in one cell": (text_of({"SBP": "120/80"}), "not a number"),
    "two stays of a patient under one id": (text_of({"ICULOS": "1"}), "ICULOS 1 follows 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused(case: str, tmp_path: Path) -> None:
    text, words = REFUSED[case]
    file = tmp_path / "p1.psv"
    file.write_text(text)
    with pytest.raises(DataError, match=words):
        read_2019([file])


HARMLESS: dict[str, bytes] = {
    "a file with a byte order mark": b"\xef\xbb\xbf" + text_of({}).encode(),
    "lines that end as on Windows": text_of({}).replace("\n", "\r\n").encode(),
    "commas in place of bars": text_of({}, ",").encode(),
    "columns in lower case": text_of({}, columns=tuple(n.lower() for n in COLUMNS)).encode(),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_harmless_changes_nothing(case: str, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    for file, content in (("plain/p1.psv", text_of({}).encode()), ("p1.psv", HARMLESS[case])):
        (tmp_path / file).write_bytes(content)
    plain, again = read_2019([tmp_path / "plain/p1.psv"]), read_2019([tmp_path / "p1.psv"])
    np.testing.assert_array_equal(again.values, plain.values)
    assert (again.age.tolist(), again.label.tolist()) == (plain.age.tolist(), plain.label.tolist())


def test_a_few_short_stays_raise_nothing(ward: Cohort) -> None:
    few = of_one_length(24, ward.take(range(30)), is_padded=False)
    assert "same_length" not in DataReport.of(few).names()


def test_each_case_is_in_the_table_and_each_row_is_a_case() -> None:
    page = (ROOT / "docs" / "data.md").read_text().partition("### Exports of another hospital")[2]
    rows = re.findall(r"^\| (.+?) \| (refused|told|harmless) \|", page, re.MULTILINE)
    expected = dict.fromkeys(SEEN, "told") | dict.fromkeys(REFUSED, "refused")
    assert dict(rows) == expected | dict.fromkeys(HARMLESS, "harmless")
