from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.datasets.cohort import Cohort
from tests.support.synthetic_cohort import QUICK, learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Material, build_features, fit_scaling
from trainer.data.split import Split
from trainer.training.recipe import Recipe
from trainer.training.saved_tree_sets import SavedTreeSets
from trainer.training.teacher import SoftLabels, fit_teacher, fold_of, teacher_knobs

TRAIN = np.arange(0, 160)
OTHERS = np.arange(160, 200)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 200)])


def soft_labels_of(
    cohort: Cohort, recipe: Recipe = QUICK, kept: SavedTreeSets | None = None
) -> SoftLabels:
    built = build_features(cohort)
    scaling = fit_scaling(built, np.isin(cohort.patient_of_row, TRAIN))
    split = Split(TRAIN, OTHERS[::2], OTHERS[1::2])
    return fit_teacher(Material(cohort, built, scaling, split), recipe, threads=1, kept=kept)


@pytest.fixture(scope="module")
def soft_labels(cohort: Cohort) -> SoftLabels:
    return soft_labels_of(cohort)


def test_training_patients_alone_have_soft_labels(cohort: Cohort, soft_labels: SoftLabels) -> None:
    taught = np.isin(cohort.patient_of_row, TRAIN)
    assert ((soft_labels.risk[taught] > 0) & (soft_labels.risk[taught] < 1)).all()
    assert np.isnan(soft_labels.risk[~taught]).all()


def test_the_teacher_finds_what_there_is_to_learn(cohort: Cohort, soft_labels: SoftLabels) -> None:
    rows = np.isin(cohort.patient_of_row, TRAIN)
    septic = cohort.label[rows] == 1
    assert soft_labels.risk[rows][septic].mean() > soft_labels.risk[rows][~septic].mean()
    assert soft_labels.gain.max() > 0


def test_trees_of_both_views_count_equally(cohort: Cohort, soft_labels: SoftLabels) -> None:
    """They do not decide which features the network gets in pieces: it has none of theirs."""
    alone = soft_labels_of(cohort, replace(QUICK, teacher_windows=0))
    np.testing.assert_array_equal(soft_labels.gain, alone.gain)
    taught = np.isin(cohort.patient_of_row, TRAIN)
    assert (soft_labels.risk[taught] != alone.risk[taught]).mean() > 0.9
    one, both = (np.log(x.risk / (1 - x.risk))[taught] for x in (alone, soft_labels))
    septic = cohort.label[taught] == 1
    other = 2 * both - one  # what the windows say
    assert other[septic].mean() > other[~septic].mean()


def test_no_patient_is_predicted_by_trees_that_saw_the_patient(cohort: Cohort) -> None:
    """Turning a patient's labels round changes the soft labels of others, not the patient's own."""
    before = soft_labels_of(cohort)
    patient = int(TRAIN[3])
    turned = cohort.take(np.arange(len(cohort)))
    turned.label[turned.rows(patient)] ^= 1
    after = soft_labels_of(turned)
    fold = fold_of(cohort.patient_ids[patient], QUICK.teacher_folds)
    for stay in TRAIN.tolist():
        rows = cohort.rows(stay)
        same = np.array_equal(before.risk[rows], after.risk[rows])
        is_of_fold = fold_of(cohort.patient_ids[stay], QUICK.teacher_folds) == fold
        assert same or not is_of_fold
    assert not np.array_equal(before.risk, after.risk, equal_nan=True)


def test_labels_of_validation_and_test_patients_change_no_soft_label(
    cohort: Cohort, soft_labels: SoftLabels
) -> None:
    turned = cohort.take(np.arange(len(cohort)))
    others = ~np.isin(turned.patient_of_row, TRAIN)
    turned.label[others] ^= 1
    again = soft_labels_of(turned)
    np.testing.assert_array_equal(again.risk, soft_labels.risk)
    np.testing.assert_array_equal(again.gain, soft_labels.gain)


def test_soft_labels_are_kept_for_the_run_they_were_made_for(
    soft_labels: SoftLabels, tmp_path: Path
) -> None:
    file = tmp_path / "teacher.npz"
    assert SoftLabels.load(file, {"data": "a"}) is None
    soft_labels.save(file, {"data": "a"})
    again = SoftLabels.load(file, {"data": "a"})
    assert again is not None
    np.testing.assert_array_equal(again.risk, soft_labels.risk)
    np.testing.assert_array_equal(again.gain, soft_labels.gain)
    assert SoftLabels.load(file, {"data": "b"}) is None
    whole = file.read_bytes()
    for damaged in (b"", b"rubbish", whole[:100], whole[:-100]):
        file.write_bytes(damaged)
        assert SoftLabels.load(file, {"data": "a"}) is None


def test_knobs_of_the_network_change_no_soft_label() -> None:
    assert teacher_knobs(replace(QUICK, hidden=9, teacher_share=0.5)) == teacher_knobs(QUICK)
    for other in ({"teacher_windows": 0}, {"teacher_rounds": 6}, {"salt": "x"}, {"seed": 1}):
        assert teacher_knobs(replace(QUICK, **other)) != teacher_knobs(QUICK)


def test_sets_that_are_done_are_not_fitted_again(
    cohort: Cohort, soft_labels: SoftLabels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lightgbm  # noqa: PLC0415

    fitted: list[int] = []
    train = lightgbm.train

    def killed_in_the_seventh(*arguments: Any, **more: Any) -> Any:
        if len(fitted) == 6:
            raise KeyboardInterrupt
        fitted.append(1)
        return train(*arguments, **more)

    monkeypatch.setattr(lightgbm, "train", killed_in_the_seventh)
    kept = SavedTreeSets(tmp_path / "teacher", {"data": "x"})
    with pytest.raises(KeyboardInterrupt):
        soft_labels_of(cohort, kept=kept)
    fitted[:] = [1] * 7  # never six again
    again = soft_labels_of(cohort, kept=kept)
    assert len(fitted) == 7 + 2 * QUICK.teacher_folds - 6
    np.testing.assert_array_equal(again.risk, soft_labels.risk)
    np.testing.assert_array_equal(again.gain, soft_labels.gain)
    other = SavedTreeSets(tmp_path / "teacher", {"data": "y"})
    assert kept.load(0, 0) is not None
    assert other.load(0, 0) is None
    (tmp_path / "teacher" / "0-0.npz").write_bytes(b"PK cut off")
    assert kept.load(0, 0) is None
    kept.clear()
    assert not (tmp_path / "teacher").exists()
