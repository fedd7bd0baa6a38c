"""The material of a quick training run, from a file of synthetic stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.data.cohort import load_cohort
from trainer.data.dataset import Material, build_features, fit_scaling
from trainer.data.split import split_patients
from trainer.training.teacher import SoftLabels, no_soft_labels


def material_of(file: Path) -> Material:
    """Reads, splits and scales the stays of a file, as ``trainer fit`` does."""
    cohort = load_cohort([file])
    built = build_features(cohort)
    split = split_patients(cohort.patient_ids)
    rows = np.isin(cohort.patient_of_row, split.train)
    return Material(cohort, built, fit_scaling(built, rows), split)


def without_teacher(material: Material) -> SoftLabels:
    """Soft labels of a run without a teacher."""
    return no_soft_labels(material.cohort.n_rows, material.built.shape[1])
