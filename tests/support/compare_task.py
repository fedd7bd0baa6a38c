"""Tasks of the comparison, made from any cohort."""

from __future__ import annotations

import numpy as np

from streamer.datasets.cohort import Cohort
from trainer.compare.protocol.family import Task
from trainer.data.dataset import Material, build_features, fit_scaling
from trainer.data.split import split_patients


def material_of(cohort: Cohort) -> Material:
    built = build_features(cohort)
    split = split_patients(cohort.patient_ids)
    scaling = fit_scaling(built, np.isin(cohort.patient_of_row, split.train))
    return Material(cohort, built, scaling, split)


def task_of(cohort: Cohort, seed: int = 0) -> Task:
    return Task(material_of(cohort), seed, threads=1)
