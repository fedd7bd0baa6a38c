"""Ways to prepare data wrongly: each is refused, told, or harmless, as `docs/data.md` says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.core.variables import INDEX, VARIABLES
from streamer.datasets.cohort import Cohort, DataError, concatenate
from streamer.datasets.physionet2019 import read_2019
from tests.support.invented_ward import invented_ward
from tests.support.paths import ROOT
from tests.support.synthetic_stays import COLUMNS, Row, stay, write_parquet, write_psv
from trainer.data.finding import Kind
from trainer.data.report import DataReport
from trainer.data.stay_content import stay_content
from trainer.errors import UnfitData

Array = np.ndarray[Any, np.dtype[Any]]
Values = Callable[[Array], Array]
Change = Callable[[Cohort], Cohort]


@cache
def ward() -> Cohort:
    return invented_ward()


def scaled(name: str, factor: float, offset: float = 0) -> Change:
    def change(cohort: Cohort) -> Cohort:
        values = cohort.values.copy()
        values[:, INDEX[name]] = values[:, INDEX[name]] * factor + offset
        return replace(cohort, values=values)

    return change


def valued(change: Values) -> Change:
    return lambda cohort: replace(cohort, values=change(cohort.values.copy()).astype(np.float32))


def filled_with(number: float) -> Change:
    return valued(lambda values: np.where(np.isnan(values), number, values))


def carried_forward(cohort: Cohort) -> Cohort:
    values = cohort.values.copy()
    for row in range(1, len(values)):
        if row not in set(cohort.starts.tolist()):
            values[row] = np.where(np.isnan(values[row]), values[row - 1], values[row])
    return replace(cohort, values=values)


def interpolated(cohort: Cohort) -> Cohort:
    values = cohort.values.copy()
    rows = np.arange(len(values))
    for column in values.T:
        known = ~np.isnan(column)
        column[:] = np.interp(rows, rows[known], column[known])
    return replace(cohort, values=values)


def with_means(values: Array) -> Array:
    return np.asarray(np.where(np.isnan(values), np.nanmean(values, axis=0), values))


def standardised(values: Array) -> Array:
    return np.asarray((values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0))


def between_0_and_1(values: Array) -> Array:
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    return np.asarray((values - low) / (high - low))


def exchanged(one: str, other: str) -> Change:
    def change(values: Array) -> Array:
        values[:, [INDEX[one], INDEX[other]]] = values[:, [INDEX[other], INDEX[one]]]
        return values

    return valued(change)


def labelled(change: Callable[[Cohort], Array]) -> Change:
    return lambda cohort: replace(cohort, label=change(cohort).astype(np.int8))


def by_stay(cohort: Cohort) -> Array:
    return np.repeat(cohort.septic, cohort.lengths)


def one_hour(cohort: Cohort) -> Array:
    first = np.diff(cohort.label, prepend=0) == 1
    return np.asarray(first & (cohort.label == 1))


def episode(cohort: Cohort) -> Array:
    label = cohort.label.copy()
    label[cohort.starts[1:] - 1] = 0
    return label


def since_day_one(cohort: Cohort) -> Array:
    label = by_stay(cohort)
    label[cohort.starts[:-1][::3]] = 0
    return label


def rows_of(cohort: Cohort, part: slice) -> Array:
    """The rows of this part of each stay."""
    every = np.arange(cohort.n_rows)
    return np.concatenate([every[cohort.rows(i)][part] for i in range(len(cohort))])


def backwards(cohort: Cohort) -> Cohort:
    rows = rows_of(cohort, slice(None, None, -1))
    return replace(cohort, values=cohort.values[rows], label=cohort.label[rows])


def in_any_order(cohort: Cohort) -> Cohort:
    draws = np.random.default_rng(1).random(cohort.n_rows)
    rows = np.lexsort((draws, cohort.patient_of_row))
    return replace(cohort, values=cohort.values[rows])


def also_under_other_ids(cohort: Cohort) -> Cohort:
    copies = cohort.take(range(60))
    noise = np.where(np.arange(34) > 0, 0.1, 0).astype(np.float32)
    renamed = [f"copy {i}" for i in range(60)]
    return concatenate([cohort, replace(copies, values=copies.values + noise, patient_ids=renamed)])


def in_windows(cohort: Cohort) -> Cohort:
    """Each stay again from its sixth hour on, as a stay of its own."""
    rows = rows_of(cohort, slice(5, None))
    starts = cohort.starts - 5 * np.arange(len(cohort) + 1)
    later = replace(
        cohort,
        patient_ids=[f"{p}+5" for p in cohort.patient_ids],
        starts=starts,
        values=cohort.values[rows],
        iculos=cohort.iculos[rows],
        label=cohort.label[rows],
    )
    return concatenate([cohort, later])


def days(cohort: Cohort) -> Cohort:
    rows = rows_of(cohort, slice(3))
    starts = 3 * np.arange(len(cohort) + 1)
    return replace(
        cohort,
        starts=starts,
        values=cohort.values[rows],
        iculos=np.tile([1, 2, 3], len(cohort)).astype(np.int32),
        label=cohort.label[rows],
    )


def without_persons(cohort: Cohort) -> Cohort:
    return replace(cohort, persons=None)


SEEN: dict[str, tuple[Change, Kind, str]] = {
    "missing cells are 0": (filled_with(0), Kind.WARNING, "zeros"),
    "missing cells are -1": (filled_with(-1), Kind.WARNING, "dropped:heart_rate"),
    "missing cells are 999": (filled_with(999), Kind.WARNING, "dropped:temperature"),
    "missing cells carried forward": (carried_forward, Kind.WARNING, "filled"),
    "missing cells interpolated": (interpolated, Kind.WARNING, "filled"),
    "missing cells are the mean": (valued(with_means), Kind.WARNING, "constant"),
    "values standardised": (valued(standardised), Kind.REFUSAL, "no_vital_signs"),
    "values between 0 and 1": (valued(between_0_and_1), Kind.REFUSAL, "no_vital_signs"),
    "temperature in °F": (scaled("temperature", 1.8, 32), Kind.WARNING, "dropped:temperature"),
    "glucose in mmol/L": (scaled("glucose", 1 / 18), Kind.WARNING, "dropped:glucose"),
    "creatinine in µmol/L": (scaled("creatinine", 88.4), Kind.WARNING, "dropped:creatinine"),
    "bilirubin in µmol/L": (
        scaled("bilirubin_total", 17.1),
        Kind.WARNING,
        "dropped:bilirubin_total",
    ),
    "BUN in mmol/L": (scaled("bun", 1 / 2.8), Kind.WARNING, "unit:bun"),
    "haemoglobin in g/L": (scaled("hemoglobin", 10), Kind.WARNING, "dropped:hemoglobin"),
    "lactate in mg/dL": (scaled("lactate", 9.01), Kind.WARNING, "dropped:lactate"),
    "platelets a µL": (scaled("platelets", 1000), Kind.WARNING, "dropped:platelets"),
    "pressures in kPa": (scaled("sbp", 1 / 7.5), Kind.WARNING, "dropped:sbp"),
    "SpO2 as a fraction": (scaled("spo2", 0.01), Kind.WARNING, "dropped:spo2"),
    "SBP and DBP exchanged": (exchanged("sbp", "dbp"), Kind.WARNING, "pressures"),
    "pulse and breaths exchanged": (
        exchanged("heart_rate", "resp_rate"),
        Kind.WARNING,
        "dropped:resp_rate",
    ),
    "a label of the stay": (labelled(by_stay), Kind.REFUSAL, "label_of_stay"),
    "label from the second hour on": (labelled(since_day_one), Kind.WARNING, "label_from_start"),
    "label in one hour only": (labelled(one_hour), Kind.WARNING, "label_short"),
    "label back to 0 at the end": (labelled(episode), Kind.WARNING, "label_falls"),
    "0 and 1 exchanged": (labelled(lambda c: 1 - c.label), Kind.REFUSAL, "label_exchanged"),
    "newest hour first": (backwards, Kind.WARNING, "label_falls"),
    "hours of a stay in any order": (in_any_order, Kind.WARNING, "order"),
    "stays again under other ids": (also_under_other_ids, Kind.REFUSAL, "copies"),
    "stays cut into overlapping windows": (in_windows, Kind.REFUSAL, "shared_rows"),
    "a row is a day": (days, Kind.WARNING, "hours"),
    "age in days": (lambda c: replace(c, age=c.age * 365), Kind.WARNING, "age"),
    "Gender 1 and 2, or M and F": (
        lambda c: replace(c, sex=np.full(len(c), "unknown")),
        Kind.WARNING,
        "sex",
    ),
    "HospAdmTime without its minus": (
        lambda c: replace(c, hours_since_hospital_admission=c.age * 0),
        Kind.WARNING,
        "hospital_admission",
    ),
    "two stays of a person": (without_persons, Kind.NOTE, "persons"),
}


def test_well_prepared_stays_raise_nothing() -> None:
    report = DataReport.of(ward())
    assert report.findings == []
    report.refuse()


@pytest.mark.parametrize("case", SEEN)
def test_what_is_wrong_is_seen(case: str) -> None:
    change, kind, name = SEEN[case]
    report = DataReport.of(change(ward()))
    assert name in report.names(kind)
    if kind is Kind.REFUSAL:
        with pytest.raises(UnfitData, match="trainer describe"):
            report.refuse()
    else:
        assert any(line.startswith(f"data, {kind}: ") for line in report.lines())


def edited(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        stays = {f"p{i}": stay(4, 2, values={0: {"HR": 80 + i}}) for i in range(2)}
        file = write_parquet(folder / "x.parquet", stays)
        pq.write_table(change(pq.read_table(file)), file)
        return file

    return write


def column(name: str, values: list[object]) -> Callable[[Path], Path]:
    return edited(lambda t: t.set_column(t.schema.get_field_index(name), name, pa.array(values)))


def twice(folder: Path) -> Path:
    for name in ("a", "b"):
        write_psv(folder / name / "p1.psv", stay(3, values={0: {"HR": 80}}))
    return folder


def copied(folder: Path) -> Path:
    values: dict[int, Row] = {i: {"HR": 80 + i} for i in range(60)}
    for name in ("p1", "p2"):
        write_psv(folder / f"{name}.psv", stay(60, values=values))
    return folder


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "hours out of order": (edited(lambda t: t.take([1, 0, *range(2, 8)])), "ICULOS 1 follows 2"),
    "an hour missing": (edited(lambda t: t.take([0, 2, 3, 4, 5, 6, 7])), "ICULOS 3 follows 1"),
    "an hour twice, as after a join": (edited(lambda t: t.take([0, 0, *range(1, 8)])), "follows 1"),
    "hours counted from 0": (column("ICULOS", [0, 1, 2, 3] * 2), "ICULOS is 0"),
    "patients interleaved": (edited(lambda t: t.take([0, 4, 1, 5])), "comes a second time"),
    "a patient in two files": (twice, "given twice"),
    "a file copied under another name": (copied, "the same stay under two names"),
    "a label of 2": (column("SepsisLabel", [0, 0, 1, 2] * 2), "SepsisLabel is 2"),
    "no label": (edited(lambda t: t.drop(["SepsisLabel"])), "missing column SepsisLabel"),
    "a missing label": (column("SepsisLabel", [0, None, 1, 1] * 2), "SepsisLabel is nan"),
    "a column left out": (edited(lambda t: t.drop(["MAP"])), "missing column MAP"),
    "text in a number": (column("HR", ["80", "high"] * 4), "not a number"),
    "decimal commas": (column("Temp", ["36,6"] * 8), "not a number"),
    "no column of patients": (edited(lambda t: t.drop(["patient"])), "name it patient"),
    "patient ids lost": (column("patient", ["p1"] * 4 + [None] * 4), "no patient"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused(case: str, tmp_path: Path) -> None:
    write, words = REFUSED[case]
    with pytest.raises(DataError, match=words):
        read_2019([write(tmp_path)])


HARMLESS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "columns in another order": lambda t: t.select(t.column_names[::-1]),
    "more columns": lambda t: t.append_column("ward", pa.array(["x"] * len(t))),
    "whole numbers as text": lambda t: t.set_column(
        t.schema.get_field_index("HR"), "HR", t["HR"].cast(pa.string())
    ),
    "Patient_ID instead of patient": lambda t: t.rename_columns(
        ["Patient_ID" if name == "patient" else name for name in t.column_names]
    ),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_harmless_changes_nothing(case: str, tmp_path: Path) -> None:
    plain = read_2019([edited(lambda table: table)(tmp_path)])
    again = read_2019([edited(HARMLESS[case])(tmp_path)])
    assert again.patient_ids == plain.patient_ids
    np.testing.assert_array_equal(again.values, plain.values)
    np.testing.assert_array_equal(again.label, plain.label)


def test_zeros_are_said_once() -> None:
    """Not again for each variable, as values outside their limits or as a median of 0."""
    report = DataReport.of(filled_with(0)(ward()))
    assert len([line for line in report.lines() if "zeros for missing cells" in line]) == 1
    assert not [name for name in report.names() if name.startswith(("dropped:", "unit:"))]


def test_fio2_in_percent_and_a_few_typing_errors_are_harmless() -> None:
    values = ward().values.copy()
    values[:, INDEX["fio2"]] *= 100
    values[::500, INDEX["map"]] = -10
    changed = replace(ward(), values=values)
    assert DataReport.of(changed).findings == []
    assert stay_content(changed) == stay_content(ward())


def test_each_case_is_in_the_table_and_each_row_is_a_case() -> None:
    page = (ROOT / "docs" / "data.md").read_text().partition("### Exports of another hospital")[0]
    rows = re.findall(r"^\| (.+?) \| (refused|told|harmless) \|", page, re.MULTILINE)
    words = {Kind.REFUSAL: "refused", Kind.WARNING: "told", Kind.NOTE: "told"}
    outcomes = {case: words[kind] for case, (_, kind, _) in SEEN.items()}
    expected = outcomes | dict.fromkeys(REFUSED, "refused") | dict.fromkeys(HARMLESS, "harmless")
    expected |= dict.fromkeys(("FiO2 in percent", "a few typing errors"), "harmless")
    assert dict(rows) == expected
    assert len(VARIABLES) == len(COLUMNS) - 7
