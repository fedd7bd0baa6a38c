from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.comparison import Compared
from tests.support.tiny_families import GOOD
from trainer.compare.experiments.days import DailyRow
from trainer.compare.report.table import write

DAY: DailyRow = {
    "name": "by day",
    "outcome": "onset on the next day",
    "n_rows": 50,
    "n_positive": 4,
    "auroc": 0.7,
    "auroc_ci": [0.6, 0.8],
    "auprc": 0.2,
    "auprc_ci": [0.1, 0.3],
}


@pytest.fixture(scope="module")
def table(compared: Compared, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    folder: Path = tmp_path_factory.mktemp("table")
    file = write(replace(compared.findings, daily=[DAY]), folder)
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def test_every_model_hospital_and_group_has_a_row(
    compared: Compared, table: list[dict[str, str]]
) -> None:
    findings = compared.findings
    expected = [model.name for model in (findings.final, *findings.families, *findings.ablations)]
    expected += [result.name for result, _ in findings.transfers]
    expected += [name for name, _ in findings.groups]
    assert [row["name"] for row in table] == [*expected, "by day"]


def test_a_difference_has_its_interval_and_its_verdict(
    compared: Compared, table: list[dict[str, str]]
) -> None:
    model = next(m for m in compared.findings.families if m.name == GOOD.name)
    row = next(row for row in table if row["name"] == GOOD.name)
    difference = model.standing.differences["auroc"]
    for column, value in (
        ("auroc_difference", difference.value),
        ("auroc_difference_low", difference.low),
        ("auroc_difference_high", difference.high),
    ):
        assert float(row[column]) == pytest.approx(value, rel=1e-5)
    assert row["auroc_difference_verdict"] == difference.verdict


def test_a_transfer_names_its_hospitals(table: list[dict[str, str]]) -> None:
    rows = [row for row in table if row["block"] == "transfer"]
    assert {(row["trained_on"], row["judged_on"]) for row in rows} == {
        ("A and B", "A"),
        ("A and B", "B"),
        ("A", "B"),
        ("B", "A"),
    }


def test_a_daily_row_has_its_outcome_and_no_other_metric(table: list[dict[str, str]]) -> None:
    row = table[-1]
    assert (row["block"], row["outcome"]) == ("daily", "onset on the next day")
    assert (row["auroc"], row["auroc_low"], row["auroc_high"]) == ("0.7", "0.6", "0.8")
    assert row["utility"] == ""
