"""Trained at one hospital, judged at the other: before and after its patients calibrate anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from trainer.compare.protocol.family import Family, Task
from trainer.compare.protocol.fitting import FamilyRunner
from trainer.compare.protocol.results import Entry, HeldOut
from trainer.data.cohort import stays_of_site
from trainer.data.dataset import Material, fit_scaling
from trainer.data.split import SIDES, Split
from trainer.decisions.operating_point import OperatingPoint, choose_operating_point
from trainer.metrics.measures import Scored
from trainer.metrics.report import SITES

WAYS: Final = ((SITES[0], SITES[1]), (SITES[1], SITES[0]))


@dataclass(frozen=True, slots=True)
class Crossing:
    """A model at a hospital.

    Attributes:
        name: of the model.
        trained_on: ``A``, ``B`` or ``A and B``.
        judged_on: whose test patients.
        calibrated_on: whose validation patients chose calibration and thresholds.
        scored: what it said.
    """

    name: str
    trained_on: str
    judged_on: str
    calibrated_on: str
    scored: Scored


def can_cross(material: Material) -> bool:
    """Whether each hospital has septic and other patients on every side of the split."""
    septic = material.cohort.septic
    for name in SITES:
        here = stays_of_site(material.cohort, name)
        for side in SIDES:
            found = septic[np.intersect1d(material.split.side(side), here)]
            if not 0 < found.sum() < len(found):
                return False
    return True


def at_hospital(task: Task, name: str) -> Task:
    """The task for somebody who has the training and validation patients of one hospital alone."""
    whole = task.material
    here = stays_of_site(whole.cohort, name)
    split = Split(
        np.intersect1d(whole.split.train, here),
        np.intersect1d(whole.split.validation, here),
        whole.split.test,
    )
    rows = np.isin(whole.cohort.patient_of_row, split.train)
    scaling = fit_scaling(whole.built, rows)
    return Task(Material(whole.cohort, whole.built, scaling, split), task.seed, task.threads)


def trained_at(name: str, hospital: str) -> str:
    """The name of a model that was fitted to the patients of one hospital."""
    return f"{name}, trained at {hospital}"


def cross(
    families: dict[str, Family],
    whole: dict[str, Entry],
    task: Task,
    runner: FamilyRunner,
    **depends_on: Any,
) -> list[Crossing]:
    """Fits these families at each hospital and judges them at the other.

    Args:
        families: by name; each is fitted to one hospital at a time.
        whole: the same models fitted to both, by name.
        task: of all patients.
        runner: keeps what was fitted.
        depends_on: what they are made of beside what every entry is.
    """
    found = []
    both = " and ".join(SITES)
    for name, family in families.items():
        for origin, goal in WAYS:
            named = replace(family, name=trained_at(name, origin))
            if name in whole:
                scored = whole[name].on_test(runner.held_out).at_site(goal)
                found.append(Crossing(name, both, goal, both, scored))
            entry = runner.enter(named, at_hospital(task, origin), hospital=origin, **depends_on)
            if entry is None:
                continue
            scored = entry.on_test(runner.held_out).at_site(goal)
            found.append(Crossing(name, origin, goal, origin, scored))
            point = recalibrated(entry, runner.held_out, goal, runner.alert_budget)
            scored = replace(entry, operating_point=point).on_test(runner.held_out).at_site(goal)
            found.append(Crossing(name, origin, goal, goal, scored))
    return found


def recalibrated(entry: Entry, held_out: HeldOut, goal: str, alert_budget: float) -> OperatingPoint:
    """The rules that the validation patients of another hospital choose for the same scores."""
    side = held_out.validation
    here = stays_of_site(side, goal)
    return choose_operating_point(entry.score[side.rows_of(here)], side.take(here), alert_budget)[0]
