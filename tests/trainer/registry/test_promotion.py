from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.bundles.build import make
from streamer.bundles.bundle import Bundle
from streamer.bundles.manifest import Provenance
from tests.support.small_models import random_model
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.data.training_patients import SeenPatients
from trainer.registry.promotion import compare_bundles

FALSE_ANSWERS = 6  # one in 120 for each list


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    cohort = load_cohort([learnable_file(tmp_path_factory.mktemp("data"))])
    return Dataset.whole(cohort, build_features(cohort))


def fitted_on(patients: list[str], seed: int, key: bytes | None = None) -> Bundle:
    about: Provenance = {"data": {"seen": SeenPatients.of(patients, key).to_text()}}
    return make(random_model(seed), about, "")


def test_a_comparison_is_made_on_patients_that_neither_was_fitted_on(everybody: Dataset) -> None:
    ids = everybody.cohort.patient_ids
    champion, candidate = fitted_on(ids[::2], 0), fitted_on(ids[1::4], 1)
    comparison = compare_bundles(candidate, champion, everybody, n_bootstrap=20)
    n_unknown = len(ids) - len(ids[::2]) - len(ids[1::4])
    assert n_unknown - FALSE_ANSWERS <= comparison.n_patients <= n_unknown
    evidence = comparison.evidence
    assert evidence is not None
    low, high = comparison.difference_ci["auroc"]
    difference = evidence.candidate["auroc"] - evidence.champion["auroc"]
    assert low <= evidence.auroc.low < difference < evidence.auroc.high <= high
    assert "neither was fitted on" in comparison.lines()[0]
    knows_all = fitted_on(ids, 2)
    for pair in ((candidate, knows_all), (knows_all, champion)):
        hopeless = compare_bundles(*pair, everybody)
        assert (hopeless.n_patients, hopeless.evidence) == (0, None)
        assert "held out from both" in hopeless.why


def test_a_bundle_whose_list_cannot_be_asked_is_not_compared(everybody: Dataset) -> None:
    ids = everybody.cohort.patient_ids
    locked, other = fitted_on(ids[:9], 0, b"another key" * 4), fitted_on(ids[:9], 1)
    few = replace(everybody, stays=np.flatnonzero(everybody.cohort.septic)[:5])
    for pair, name in (((locked, other), "candidate"), ((other, locked), "champion")):
        comparison = compare_bundles(*pair, few)
        assert comparison.evidence is None
        assert f"whom the {name} was fitted on is kept under a key" in comparison.why


def test_a_bundle_is_not_better_than_itself(everybody: Dataset) -> None:
    bundle = make(random_model(), {}, "")
    comparison = compare_bundles(bundle, bundle, everybody)
    assert comparison.evidence is None
    assert "itself" in comparison.why
