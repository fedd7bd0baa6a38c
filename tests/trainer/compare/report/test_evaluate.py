from __future__ import annotations

from pathlib import Path

import pytest

from streamer.bundles.bundle import Bundle
from tests.support.comparison import QUIET, Compared
from trainer.evaluate import evaluate
from trainer.metrics.definitions import METRICS


def test_the_final_model_has_the_figures_of_its_evaluation(
    compared: Compared, data: Path, bundle: Bundle
) -> None:
    expected = evaluate(bundle, [data], reporter=QUIET, patients="test").figures
    figures = compared.findings.final.standing.figures
    # Other batches add up in another order: a risk differs in its seventh decimal.
    for name in METRICS:
        assert figures[name] == pytest.approx(expected[name], rel=1e-5)
    assert figures["n_septic"] == expected["n_septic"]


def test_groups_are_parts_of_the_test_patients(compared: Compared) -> None:
    groups = {name: standing.figures for name, standing in compared.findings.groups}
    total = compared.findings.final.standing.figures["n_patients"]
    hospitals = [groups[f"hospital {name}"]["n_patients"] for name in "AB"]
    assert sum(hospitals) == total
    assert all(figures["n_patients"] < total for figures in groups.values())
