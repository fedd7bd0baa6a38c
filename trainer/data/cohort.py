"""The cohort that a model is made from: loaded, counted, fingerprinted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Cohort, Progress, site
from streamer.datasets.physionet2019 import read_2019


@dataclass(frozen=True, slots=True)
class Counts:
    """How many stays and hours, and how many of them septic (positive, for hours)."""

    n_patients: int
    n_septic: int
    n_rows: int
    n_positive_rows: int


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
    """(n,) indices of the stays of hospital ``A`` or ``B``, told by the patient ids."""
    return np.array([i for i, p in enumerate(cohort.patient_ids) if site(p) == name], np.int64)


def fingerprint(cohort: Cohort) -> dict[str, str | int]:
    """What a bundle's manifest says of its data: a hash of everything read, and the counts.

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
    return {"sha256": digest.hexdigest(), **asdict(counts(cohort))}
