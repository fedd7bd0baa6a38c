"""The figures in the pages are those of the shipped bundle and of the kept comparison."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any, Final

import pandas as pd
import pytest

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from tests.support.paths import DATA, ROOT
from tests.support.physionet_files import needs_public_data
from trainer.compare.protocol.family import Level
from trainer.data.split import side_of
from trainer.reports.metric_words import SHORT, SHOWN, figure

README: Final = (ROOT / "README.md").read_text()
MODEL: Final = README.split("<!-- model -->")[1].split("<!-- /model -->")[0]
PAGE: Final = (ROOT / "docs/comparison.md").read_text()
BUNDLE: Final = bundles.load(SHIPPED)
MANIFEST: Final[Any] = BUNDLE.manifest
TEST: Final = MANIFEST["metrics"]["test"]
COLUMNS: Final = (TEST, TEST["by_site"]["A"], TEST["by_site"]["B"])
LEVELS: Final = tuple(level.value for level in Level)
COMPARED: Final = ("utility", "auroc", "auprc")
NUMBER: Final = re.compile(r"[-+]?\d+\.\d+")
IN_README: Final = {
    "normalised utility": "utility",
    "calibration error, hours": "ece",
    "alert starts that are such alerts": "alert_ppv",
}
"""Rows of the README that have other words than the card."""


def flat(text: str) -> str:
    return " ".join(text.split())


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| \n").split(" | ")]


def table_under(text: str, heading: str) -> list[list[str]]:
    lines = text.split(heading)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append(cells(line))
    return rows


def assert_rounded(shown: str, values: list[float]) -> None:
    """Each number that is shown is the value, to the decimals that are shown."""
    numbers = NUMBER.findall(shown)
    assert len(numbers) == len(values), (shown, values)
    for text, value in zip(numbers, values, strict=True):
        half = 0.5 * 10 ** -len(text.partition(".")[2])
        assert abs(float(text) - value) <= half * 1.002, (shown, values)


def rows_of_csv() -> Iterator[dict[str, Any]]:
    with (ROOT / "docs/comparison/comparison.csv").open(newline="") as file:
        yield from csv.DictReader(file)


def figures_of(row: dict[str, str], name: str) -> list[float]:
    return [float(row[f"{name}{end}"]) for end in ("", "_low", "_high") if row[f"{name}{end}"]]


def named(block: str, name: str, **where: str) -> dict[str, str]:
    [row] = [
        row
        for row in rows_of_csv()
        if (row["block"], row["name"]) == (block, name)
        and all(row[key] == value for key, value in where.items())
    ]
    return row


def test_the_readme_has_the_figures_of_the_bundle() -> None:
    words = {words: name for name, words in SHOWN.items()} | IN_README
    alerts = {row[0]: row[1:] for row in table_under(PAGE, "### Alerts that are on")}
    checked = set()
    for words_of_row, *shown in table_under(MODEL, "1,000 replicates):")[2:]:
        name = words[words_of_row.replace("48 h ", "48 hours ")]
        if name in TEST:
            assert shown == [figure(column, name) for column in COLUMNS], name
        else:  # younger than the bundle
            assert shown == alerts[SHOWN[name]], name
        checked.add(name)
    assert {"utility", "auroc", "auprc", "alerted_at_onset", "alert_ppv"} <= checked


def test_the_readme_counts_the_stays_of_the_bundle() -> None:
    sides = MANIFEST["data"]["sides"]
    text = flat(MODEL)
    for count in (
        f"{sides['train']['n_patients']:,} stays of both hospitals",
        f"{sides['validation']['n_patients']:,} other stays",
        f"{TEST['n_patients']:,} stays that had no part in either ({TEST['n_septic']} septic, "
        f"{TEST['n_rows']:,} hours;",
        f"validation patients alone, where this recipe has utility "
        f"{MANIFEST['training']['validation_utility']:.3f} and AUROC "
        f"{MANIFEST['training']['validation_auroc']:.3f}",
        f"two layers of {MANIFEST['recipe']['encoder']} units",
        f"an LSTM of {MANIFEST['recipe']['hidden']} units",
    ):
        assert count in text


def test_the_card_has_the_figures_of_its_manifest() -> None:
    held_out = {row[0]: row[1:] for row in table_under(BUNDLE.card, "## Figures on held-out test")}
    for name, words in SHOWN.items():
        if name in TEST:
            assert held_out[words] == [figure(column, name) for column in COLUMNS], name
    groups = {row[0]: row[1:] for row in table_under(BUNDLE.card, "Subgroups (all hospitals")}
    for group, part in MANIFEST["metrics"]["subgroups"].items():
        counts = [f"{part['n_patients']:,}", f"{part['n_septic']:,}"]
        assert groups[group] == counts + [figure(part, name) for name in SHORT], group
    budget, policy = MANIFEST["alert_budget"], MANIFEST["alert_policy"]
    assert f"**positive** above {MANIFEST['threshold']:.4f}" in BUNDLE.card
    assert f"**alert** (medium) above {policy['medium']:.4f}" in BUNDLE.card
    assert f"**high** above {policy['high']:.4f}" in BUNDLE.card
    assert f"below {policy['off']:.4f}" in BUNDLE.card
    assert f"({budget['starts_per_patient_day']:.2f} there" in BUNDLE.card


@needs_public_data
def test_the_card_counts_the_stays_that_are_positive_from_their_first_row() -> None:
    n = 0
    for hospital in "AB":
        file = DATA / "cinc2019" / f"dev_{hospital}.parquet"
        first = pd.read_parquet(file, columns=["patient", "SepsisLabel"]).drop_duplicates("patient")
        n += sum(side_of(patient) == "test" for patient in first.patient[first.SepsisLabel == 1])
    assert f"In {n} of the {TEST['n_septic']} septic test stays the label is 1" in BUNDLE.card


def test_the_final_model_of_the_comparison_is_the_shipped_bundle() -> None:
    assert f"The final LSTM is model `{BUNDLE.model_id[:12]}`" in PAGE
    final = named("sequence", "final LSTM")
    for name in SHOWN:
        if final.get(name) and name in TEST:
            assert figures_of(final, name) == pytest.approx(
                [TEST[name], *TEST[f"{name}_ci"]], rel=1e-5
            ), name
    for group, part in MANIFEST["metrics"]["subgroups"].items():
        row = named("subgroup", group)
        for name in COMPARED:
            assert figures_of(row, name) == pytest.approx(
                [part[name], *part[f"{name}_ci"]], rel=1e-5
            )


@pytest.mark.parametrize(
    ("begin", "end"), [("## Test pat", "### The other"), ("## Abl", "## At a")]
)
def test_the_page_has_the_figures_of_its_table(begin: str, end: str) -> None:
    section = PAGE.split(begin)[1].split(end)[0].splitlines()
    lines = {row[0]: row for row in map(cells, section) if len(row) == 1 + 2 * len(COMPARED)}
    blocks = ("ablation",) if begin == "## Abl" else LEVELS
    names = set()
    for row in rows_of_csv():
        if row["block"] not in blocks or row["name"] == "final LSTM":
            continue
        [shown] = [
            line for name, line in lines.items() if re.sub(r" \(\w+ \d.*", "", name) == row["name"]
        ]
        for i, name in enumerate(COMPARED):
            assert_rounded(shown[1 + 2 * i], figures_of(row, name))
            assert_rounded(shown[2 + 2 * i], figures_of(row, f"{name}_difference"))
            assert shown[2 + 2 * i].endswith(row[f"{name}_difference_verdict"])
        names.add(shown[0])
    assert names == set(lines) - {"model", "recipe", "final LSTM", "---", "|---"}


@pytest.mark.parametrize(
    ("sentence", "block", "name", "columns"),
    [
        (
            r"on windows of the hours before, they have (\S+ \S+ \S+) utility",
            "window", "LightGBM, windows", ["utility_difference"],
        ),
        (r"utility and (\S+ \S+ \S+) AUROC; on the last", "window", "LightGBM, windows",
         ["auroc_difference"]),
        (r"The average of network and trees has (\S+ utility and \S+ AUROC)", "sequence",
         "average of final LSTM and LightGBM, windows", ["utility", "auroc"]),
        (r"Without its teacher the recipe loses (\S+ \S+ \S+) utility", "ablation", "no teacher",
         ["utility_difference"]),
        (r"another seed has (\S+ utility and \S+ AUROC)", "ablation", "another seed",
         ["utility", "auroc"]),
    ],
)  # fmt: skip
def test_a_sentence_of_the_readme_has_the_figures_of_the_comparison(
    sentence: str, block: str, name: str, columns: list[str]
) -> None:
    match = re.search(sentence, flat(MODEL))
    assert match is not None, sentence
    row = named(block, name)
    numbers = [float(text) for text in NUMBER.findall(match[1])]
    values = [value for column in columns for value in figures_of(row, column)]
    if len(columns) > 1:
        values = [figures_of(row, column)[0] for column in columns]
    if "loses" in sentence:  # a loss is told by its size
        values = [-values[0], -values[2], -values[1]]
    assert numbers == [round(value, 3) for value in values]


def test_no_live_model_is_better_and_the_rest_is_as_far_behind_as_the_readme_says() -> None:
    live = [
        row
        for row in rows_of_csv()
        if row["block"] in set(LEVELS) - {Level.TRUTH} and row["utility_difference_verdict"]
    ]
    assert f"compared with {len(live)} other live models" in flat(MODEL)
    verdicts = {row[f"{name}_difference_verdict"] for row in live for name in COMPARED}
    assert "better" not in verdicts
    behind = [float(row["auroc_difference"]) for row in live if "LightGBM" not in row["name"]]
    least = re.search(r"is worse in AUROC by (\S+) or more", flat(MODEL))
    assert least is not None
    assert max(behind) <= -float(least[1]) + 0.0005
    assert all(
        row["auroc_difference_verdict"] == "worse" for row in live if "LightGBM" not in row["name"]
    )
    elsewhere = [
        float(row["utility"])
        for row in rows_of_csv()
        if (row["block"], row["name"]) == ("transfer", "shipped recipe")
        and len(row["trained_on"]) == 1
    ]
    assert "falls to 0.28 utility" in flat(MODEL)
    assert all(abs(utility - 0.28) < 0.01 for utility in elsewhere)


def test_a_figure_that_several_pages_have_is_one() -> None:
    retraining = flat((ROOT / "docs/retraining.md").read_text())
    for page in (flat(README), flat(BUNDLE.card), retraining):
        assert "896 stays of other hospitals (63 septic)" in page
        assert "AUROC 0.59 [0.54, 0.64], SIRS 0.62" in page
    curve = flat((ROOT / "docs/site-curve.md").read_text())
    at_b = named("transfer", "shipped recipe", trained_on="A", calibrated_on="A")
    assert (
        f"the shipped recipe's {float(at_b['utility']):.3f} and {float(at_b['auroc']):.3f}" in curve
    )
    utility, auroc, auprc = (figure(TEST, name) for name in COMPARED)
    assert f"utility {utility}, AUROC {auroc}, AUPRC {auprc}" in PAGE


def test_the_readme_counts_the_rows_of_the_data_page() -> None:
    pages = (ROOT / "docs/data.md").read_text().split("## Ways to prepare data wrongly")[1]
    rows = [
        line for line in pages.splitlines() if re.match(r"\| .* \| (told|refused|harmless) ", line)
    ]
    assert f"lists {len(rows)} ways to prepare data" in flat(README)
