"""Transfer between hospitals: models fitted at one and measured at the other.

Each is measured twice: as it was calibrated, and calibrated anew on patients of the other hospital.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from trainer.compare.protocol.family import Family, Task
from trainer.compare.protocol.fitting import FamilyRunner
from trainer.compare.protocol.results import Entry, HeldOut
from trainer.data.cohort import stays_of_site
from trainer.data.dataset import Material, fit_scaling
from trainer.data.split import SIDES, Split
from trainer.decisions.operating_point import OperatingPoint, choose_operating_point
from trainer.metrics.definitions import Scored
from trainer.metrics.evaluation_json import SITES

DIRECTIONS: Final = ((SITES[0], SITES[1]), (SITES[1], SITES[0]))


@dataclass(frozen=True, slots=True)
class TransferResult:
    """The predictions of a model at a hospital.

    Attributes:
        name: of the model.
        trained_on: ``A``, ``B`` or ``A and B``.
        judged_on: the hospital of the test patients, ``A`` or ``B``.
        calibrated_on: the hospitals whose validation patients chose calibration and thresholds.
        scored: its predictions for these test patients.
    """

    name: str
    trained_on: str
    judged_on: str
    calibrated_on: str
    scored: Scored


def can_transfer(material: Material) -> bool:
    """Whether each hospital has septic and other patients on every side of the split."""
    septic = material.cohort.septic
    for name in SITES:
        here = stays_of_site(material.cohort, name)
        for side in SIDES:
            on_side = septic[np.intersect1d(material.split.side(side), here)]
            if not 0 < on_side.sum() < len(on_side):
                return False
    return True


def task_at(task: Task, name: str) -> Task:
    """The task with the training and validation patients of one hospital alone."""
    material = task.material
    here = stays_of_site(material.cohort, name)
    split = Split(
        np.intersect1d(material.split.train, here),
        np.intersect1d(material.split.validation, here),
        material.split.test,
    )
    rows = np.isin(material.cohort.patient_of_row, split.train)
    scaling = fit_scaling(material.built, rows)
    return Task(Material(material.cohort, material.built, scaling, split), task.seed, task.threads)


def name_at(name: str, hospital: str) -> str:
    """The name of a model that was fitted to the patients of one hospital."""
    return f"{name}, trained at {hospital}"


def transfer(
    families: dict[str, Family],
    at_both: dict[str, Entry],
    task: Task,
    runner: FamilyRunner,
    **depends_on: object,
) -> list[TransferResult]:
    """Fits families at each hospital and applies them at the other.

    Args:
        families: by name; each is fitted to one hospital at a time.
        at_both: the same models fitted to both hospitals, by name.
        task: of the patients of both.
        runner: fits the models and keeps their entries.
        depends_on: JSON values that the entries depend on beside ``runner.made_of``.
    """
    results = []
    both = " and ".join(SITES)
    for name, family in families.items():
        for source, target in DIRECTIONS:
            named = replace(family, name=name_at(name, source))
            if name in at_both:
                scored = at_both[name].on_test(runner.held_out).at_site(target)
                results.append(TransferResult(name, both, target, both, scored))
            entry = runner.fit_or_load(named, task_at(task, source), hospital=source, **depends_on)
            if entry is None:
                continue
            scored = entry.on_test(runner.held_out).at_site(target)
            results.append(TransferResult(name, source, target, source, scored))
            point = recalibrated(entry, runner.held_out, target, runner.alert_budget)
            scored = replace(entry, operating_point=point).on_test(runner.held_out).at_site(target)
            results.append(TransferResult(name, source, target, target, scored))
    return results


def recalibrated(
    entry: Entry, held_out: HeldOut, target: str, alert_budget: float
) -> OperatingPoint:
    """The operating point for the same scores, chosen on another hospital's patients."""
    side = held_out.validation
    here = stays_of_site(side, target)
    return choose_operating_point(entry.score[side.rows_of(here)], side.take(here), alert_budget)[0]
