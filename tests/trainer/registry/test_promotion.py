from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rich.console import Console

from streamer.bundles.build import make
from streamer.bundles.bundle import Bundle
from streamer.bundles.manifest import Provenance
from tests.support.plain_fit import drawing_nothing
from tests.support.small_models import random_model
from tests.support.synthetic_cohort import QUICK, learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.data.training_patients import SeenPatients
from trainer.fit import fit
from trainer.progress import Reporter
from trainer.registry.promotion import compare_bundles

QUIET = Reporter(Console(quiet=True))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def bundle(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("fit")
    with drawing_nothing():
        return fit([data], out, QUICK, reporter=QUIET, n_bootstrap=0).bundle


def test_a_comparison_is_made_on_patients_that_neither_was_fitted_on(
    data: Path, bundle: Bundle
) -> None:
    cohort = load_cohort([data])
    everybody = Dataset.whole(cohort, build_features(cohort))
    half = cohort.patient_ids[::2]
    about: Provenance = {"data": {"seen": SeenPatients.of(half).to_text()}}
    champion = make(random_model(), about, "")
    comparison = compare_bundles(bundle, champion, everybody, n_bootstrap=20)
    assert comparison.n_patients <= len(cohort) - len(half)
    assert comparison.n_patients >= len(cohort) - len(half) - 5  # false answers are one in 120
    evidence = comparison.evidence
    assert evidence is not None
    low, high = comparison.difference_ci["auroc"]
    difference = evidence.candidate["auroc"] - evidence.champion["auroc"]
    assert low <= evidence.auroc.low < difference < evidence.auroc.high <= high
    assert "neither was fitted on" in comparison.lines()[0]
    everyone: Provenance = {"data": {"seen": SeenPatients.of(cohort.patient_ids).to_text()}}
    hopeless = compare_bundles(bundle, make(random_model(), everyone, ""), everybody)
    assert (hopeless.n_patients, hopeless.evidence) == (0, None)
    assert "held out from both" in hopeless.why


def test_a_bundle_is_not_better_than_itself(data: Path, bundle: Bundle) -> None:
    cohort = load_cohort([data])
    comparison = compare_bundles(bundle, bundle, Dataset.whole(cohort, build_features(cohort)))
    assert comparison.evidence is None
    assert "itself" in comparison.why
