"""Cohorts of labelled stays: loading, counts, and the fingerprint in a bundle's manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Cohort, Progress, site
from streamer.datasets.physionet2019 import read_2019


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of stays and hours, and of the septic ones among them (positive, for hours)."""

    n_patients: int
    n_septic: int
    n_rows: int
    n_positive_rows: int


class Fingerprint(TypedDict):
    """The identity of a cohort: a hash of everything read, and the ``Counts``."""

    sha256: str
    n_patients: int
    n_septic: int
    n_rows: int
    n_positive_rows: int


class DataSummary(Fingerprint):
    """The manifest's account of the data: all stays, and the sides of the split.

    Attributes:
        fitted_on: hash of the training and validation stays alone.
        sides: ``Counts`` by side.
        seen: the patients that were fitted on, as ``SeenPatients.to_text``.
    """

    fitted_on: str
    sides: dict[str, dict[str, int]]
    seen: str


def load_cohort(paths: Iterable[Path], progress: Progress | None = None) -> Cohort:
    """Reads labelled PhysioNet 2019 stays, sorted by patient id whatever the order of the files.

    Raises:
        DataError: as ``read_2019``; a missing label is an error here.
    """
    cohort = read_2019(paths, need_label=True, progress=progress)
    order = sorted(range(len(cohort)), key=cohort.patient_ids.__getitem__)
    return cohort if order == list(range(len(cohort))) else cohort.take(order)


def counts(cohort: Cohort) -> Counts:
    """Counts stays and hours."""
    return Counts(
        len(cohort), int(cohort.septic.sum()), cohort.n_rows, int((cohort.label == 1).sum())
    )


def stays_of_site(cohort: Cohort, name: str) -> NDArray[np.int64]:
    """(n,) indices of the stays of hospital ``A`` or ``B``, known by the patient ids."""
    return np.array([i for i, p in enumerate(cohort.patient_ids) if site(p) == name], np.int64)


def fingerprint(cohort: Cohort) -> Fingerprint:
    """The part of a bundle's manifest that identifies its data.

    Two cohorts with equal fingerprints hold the same patients in the same order with the same
    values, labels and demographics, whichever files they came from.
    """
    digest = hashlib.sha256("\n".join(cohort.patient_ids).encode())
    # NaN has many bit patterns; one stands for all of them.
    for array in (cohort.values, cohort.age, cohort.hours_since_hospital_admission):
        digest.update(np.where(np.isnan(array), np.float32(np.nan), array).tobytes())
    for whole in (cohort.starts, cohort.iculos, cohort.label):
        digest.update(np.ascontiguousarray(whole).tobytes())
    digest.update("\n".join([*cohort.sex, *cohort.icu_type]).encode())
    n = counts(cohort)
    return {
        "sha256": digest.hexdigest(),
        "n_patients": n.n_patients,
        "n_septic": n.n_septic,
        "n_rows": n.n_rows,
        "n_positive_rows": n.n_positive_rows,
    }
