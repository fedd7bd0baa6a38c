from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.training_material import material_of, without_teacher
from trainer.data.dataset import Material
from trainer.decisions import operating_point
from trainer.training import cross_fitting
from trainer.training.checkpoint import Run
from trainer.training.cross_fitting import FOLDS, cross_fitted_logits, folds, to_choose_on
from trainer.training.loop import train, trained

SHORT = replace(QUICK, reading_epochs=1, epochs=2)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Equal threads, equal sums; and the suite runs beside others."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """A network that goes on from another, on 60 stays."""
    torch.set_num_threads(1)
    own = material_of(learnable_file(tmp_path_factory.mktemp("data"), 60))
    start = trained(train(own, SHORT, without_teacher(own)), SHORT).in_numpy()
    return replace(own, start=start)


@pytest.fixture(scope="module")
def run(material: Material) -> Run:
    return train(material, SHORT, without_teacher(material))


def known_of(material: Material) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.sort(np.concatenate([material.split.train, material.split.validation]))


def test_folds_keep_a_patient_together_and_spread_the_septic(material: Material) -> None:
    known = known_of(material)
    persons = np.array(material.cohort.patient_ids)
    persons[1::9] = persons[0:-1:9]  # some have two stays
    cohort = replace(material.cohort, persons=persons)
    parts = folds(cohort, known)
    assert np.array_equal(np.sort(np.concatenate(parts)), known)
    whose = [set(persons[part].tolist()) for part in parts]
    assert sum(map(len, whose)) == len(set.union(*whose))
    septic = [int(cohort.septic[part].sum()) for part in parts]
    assert len(parts) == FOLDS
    assert max(septic) - min(septic) <= 3  # a patient's stays go together


def test_no_stay_is_seen_by_a_network_that_learned_from_its_label(
    material: Material, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_fitting, "FOLDS", 2)
    without = without_teacher(material)
    logits = cross_fitted_logits(material, SHORT, without, run)
    known = known_of(material)
    assert np.array_equal(np.flatnonzero(~np.isnan(logits[:, 0])), np.sort(material.rows_of(known)))
    first, second = folds(material.cohort, known)
    label = material.cohort.label.copy()
    label[material.rows_of(first)] = 1 - label[material.rows_of(first)]
    monkeypatch.setattr(cross_fitting, "folds", lambda *_: [first, second])
    other = replace(material, cohort=replace(material.cohort, label=label))
    changed = cross_fitted_logits(other, SHORT, without, run)
    rows = material.rows_of(first)
    assert np.array_equal(changed[rows], logits[rows])
    rows = material.rows_of(second)
    assert not np.isclose(changed[rows], logits[rows], atol=1e-4).any(axis=1).all()


def test_networks_learn_as_long_as_the_one_that_is_calibrated(
    material: Material, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = list[int]()

    def noting(*arguments: object, **more: object) -> Run:
        made = train(*arguments, **more)  # type: ignore[arg-type]
        best.append(made.best_epoch)
        return made

    monkeypatch.setattr(cross_fitting, "train", noting)
    monkeypatch.setattr(cross_fitting, "FOLDS", 2)
    for epoch in (1, 2):
        cross_fitted_logits(
            material, SHORT, without_teacher(material), replace(run, best_epoch=epoch)
        )
    assert best == [1, 1, 2, 2]


def test_few_septic_validation_stays_are_not_chosen_on_alone(
    material: Material, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = without_teacher(material)
    monkeypatch.setattr(cross_fitting, "cross_fitted_logits", lambda *_: np.zeros((1, 3)))
    n_septic = int(material.cohort.septic[material.split.validation].sum())
    monkeypatch.setattr(operating_point, "LEAST_CHOSEN_ON", n_septic)
    enough, unseen = to_choose_on(material, SHORT, without, run)
    assert np.array_equal(enough.stays, material.split.validation)
    assert unseen is None
    monkeypatch.setattr(operating_point, "LEAST_CHOSEN_ON", n_septic + 1)
    for start, looks_for_itself in ((material.start, False), (None, True)):
        few, unseen = to_choose_on(replace(material, start=start), SHORT, without, run)
        assert np.array_equal(few.stays, known_of(material))
        assert (unseen is None) == looks_for_itself


def test_nothing_is_chosen_on_stays_that_the_bundle_before_learned_from(
    material: Material, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_fitting, "cross_fitted_logits", lambda *_: np.zeros((1, 3)))
    septic, validation = material.cohort.septic, material.split.validation
    learned = np.zeros(len(septic), np.bool_)
    learned[material.split.train[::2]] = True
    learned[validation[~septic[validation]][:1]] = True
    again = replace(material, learned=learned)

    def chosen_on(least: int) -> list[int]:
        monkeypatch.setattr(operating_point, "LEAST_CHOSEN_ON", least)
        stays, _ = to_choose_on(again, SHORT, without_teacher(again), run)
        return list(map(int, stays.stays))

    known = known_of(material)
    others = known[~learned[known]]
    n_in_validation, n_of_others = int(septic[validation].sum()), int(septic[others].sum())
    assert chosen_on(n_in_validation) == validation[~learned[validation]].tolist()
    assert chosen_on(n_in_validation + 1) == chosen_on(n_of_others) == others.tolist()
    assert chosen_on(n_of_others + 1) == known.tolist()
