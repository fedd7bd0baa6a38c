from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.bundles.manifest import Manifest, SplitPart
from streamer.datasets.cohort import Cohort
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.gathering import also_seen, describe
from trainer.data.learned_stays import learned_from, n_lists_of_fits
from trainer.data.split_rules import ByDate, ByHash, SplitRule, fold

FALSE_ANSWERS = 6  # one in 120 for each of two lists of 240 stays


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 240)])


def manifest_of(cohort: Cohort, rule: SplitRule) -> Manifest:
    split = rule.to_json()
    return {"data": describe(cohort, rule.split(cohort)), "split": split}


@pytest.mark.parametrize("rule", [ByHash(), ByHash("another"), fold("vigil", 2, 5)])
def test_a_network_learned_from_the_training_side_of_its_own_split(
    cohort: Cohort, rule: ByHash
) -> None:
    learned = np.flatnonzero(learned_from(manifest_of(cohort, rule), cohort))
    split = rule.split(cohort)
    assert set(split.train) <= set(learned)
    assert not set(split.validation) & set(learned)
    assert len(set(learned) - set(split.train)) <= FALSE_ANSWERS


def test_where_the_split_cannot_be_made_all_that_are_listed_count(cohort: Cohort) -> None:
    manifest = manifest_of(cohort, ByHash())
    by_date = ByDate("2022-01-01", "2022-07-01").to_json()
    by_file: SplitPart = {**by_date, "file_sha256": "0" * 64}
    split = ByHash().split(cohort)
    for other in (by_date, by_file):
        learned = learned_from({**manifest, "split": other}, cohort)
        assert learned[split.train].all()
        assert learned[split.validation].all()


def test_nobody_is_learned_from_where_nobody_is_listed(cohort: Cohort) -> None:
    assert not learned_from({}, cohort).any()
    assert n_lists_of_fits({}) is None


def test_a_recalibration_teaches_its_network_nothing(cohort: Cohort, tmp_path: Path) -> None:
    fitted = manifest_of(
        load_cohort([learnable_file(tmp_path, 60, seed=3, first_id=900)]), ByHash()
    )
    again: Manifest = {**fitted, "data": {**fitted["data"], **also_seen(fitted, cohort)}}
    assert n_lists_of_fits(again) == 2
    assert learned_from(again, cohort).mean() > 0.7  # as of a fit that went on
    made = {"from": "", "data": {}, "chosen_on": {}, "chosen_on_seen": 0, "judged_on": {}}
    for more in ({"lists_of_fits": 1}, {}):  # an earlier version counts no lists
        recalibrated: Manifest = {**again, "recalibration": {**made, **more}}  # type: ignore[typeddict-item]
        assert n_lists_of_fits(recalibrated) == 1
        assert not learned_from(recalibrated, cohort).any()
