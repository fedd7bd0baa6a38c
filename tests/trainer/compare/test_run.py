from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.bundles.bundle import Bundle
from tests.support.comparison import AVERAGE, Compared, compare_tiny, csv_rows
from tests.support.tiny_families import BOUND, GOOD, NOTHING, RIVALS, WORSE, pulse_family
from trainer.compare.experiments.ablations import ENCODER_ALONE
from trainer.compare.experiments.days import DailyRow
from trainer.compare.protocol.results import slug
from trainer.compare.run import RESULTS, TRANSFER_NAME
from trainer.errors import WrongUsage


@pytest.fixture
def out(compared: Compared, tmp_path: Path) -> Path:
    """A copy of the results of a whole run, which a test may change."""
    return shutil.copytree(compared.out, tmp_path / "out")


@pytest.mark.usefixtures("without_pictures")
def test_kept_results_are_not_fitted_again(out: Path, data: Path, bundle: Bundle) -> None:
    before = csv_rows(out)
    assert compare_tiny(data, out, bundle).effort.n_fitted == 0
    after = csv_rows(out)
    cost = "microseconds_per_hour"  # of the final model, which is asked each time
    for name in before:
        assert {**before[name], cost: ""} == {**after[name], cost: ""}


@pytest.mark.usefixtures("without_pictures")
def test_an_interrupted_run_fits_the_missing_models(out: Path, data: Path, bundle: Bundle) -> None:
    results = out / RESULTS
    (results / f"{slug(NOTHING.name)}.parquet").unlink()
    broken = results / f"{slug(GOOD.name)}.parquet"
    broken.write_bytes(broken.read_bytes()[:100])
    assert compare_tiny(data, out, bundle).effort.n_fitted == 2


@pytest.mark.usefixtures("without_pictures")
def test_a_result_of_other_candidates_is_fitted_anew(out: Path, data: Path, bundle: Bundle) -> None:
    other = pulse_family(WORSE.name, WORSE.level, {"noise": 3}, {"noise": 6}, {"noise": 8})
    changed = replace(RIVALS, families=(GOOD, other, NOTHING, BOUND))
    assert compare_tiny(data, out, bundle, changed).effort.n_fitted == 1
    assert csv_rows(out)[WORSE.name]["settings"] == "noise 3"


@pytest.mark.usefixtures("without_pictures")
def test_only_named_models_are_fitted(data: Path, bundle: Bundle, tmp_path: Path) -> None:
    one = compare_tiny(data, tmp_path, bundle, RIVALS, "prevalence")
    assert (one.effort.n_fitted, [model.name for model in one.families]) == (1, [NOTHING.name])
    assert {GOOD.name, ENCODER_ALONE, f"{TRANSFER_NAME}, trained at A"} < set(one.absent)
    assert f"; {WORSE.name}; " in (tmp_path / "comparison.md").read_text()
    two = compare_tiny(data, tmp_path, bundle, RIVALS, "pulse-noisy", "prevalence")
    assert two.effort.n_fitted == 2  # who is named is fitted anew
    three = compare_tiny(data, tmp_path, bundle, RIVALS, GOOD.name)
    assert {model.name for model in three.families} == {
        GOOD.name,
        WORSE.name,
        NOTHING.name,
        AVERAGE,
    }
    with pytest.raises(WrongUsage, match=r"--only gru: no such model.*pulse-noisy"):
        compare_tiny(data, tmp_path, bundle, RIVALS, "gru")


@pytest.mark.usefixtures("without_pictures")
def test_the_daily_form_is_fitted_once(out: Path, data: Path, bundle: Bundle) -> None:
    calls = []
    row: DailyRow = {
        "name": "by day",
        "outcome": "same day",
        "n_rows": 50,
        "n_positive": 4,
        "auroc": 0.7,
        "auroc_ci": [0.6, 0.8],
        "auprc": 0.2,
        "auprc_ci": [0.1, 0.3],
    }

    def daily(*_: object) -> list[DailyRow]:
        calls.append(1)
        return [row]

    with_days = replace(RIVALS, daily=daily)
    for _ in range(2):
        compare_tiny(data, out, bundle, with_days)
    assert len(calls) == 1
    for n, damaged in enumerate(("", "[1]", '{"made_of": ')):
        (out / "results/daily.json").write_text(damaged)
        compare_tiny(data, out, bundle, with_days)
        assert len(calls) == n + 2
    page = (out / "comparison.md").read_text()
    assert "| same day | by day | 4 of 50 | 0.700 [0.600, 0.800] | 0.200 [0.100, 0.300] |" in page
    assert csv_rows(out)["by day"]["auroc_high"] == "0.8"
