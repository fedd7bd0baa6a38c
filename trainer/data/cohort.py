"""Cohorts of labelled stays: loading, counts, and the fingerprint in a bundle's manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.manifest import Fingerprint
from streamer.datasets.cohort import Cohort, Progress
from streamer.datasets.physionet2019 import read_2019
from trainer.data.known_stays import named_sites


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of stays and hours, and of the septic ones among them (positive, for hours)."""

    n_patients: int
    n_septic: int
    n_rows: int
    n_positive_rows: int


def load_cohort(paths: Iterable[Path], progress: Progress | None = None) -> Cohort:
    """Reads labelled PhysioNet 2019 stays, sorted by patient id whatever the order of the files.

    ``sites`` holds the hospitals, as far as files or public ids name them.

    Raises:
        DataError: as ``read_2019``; a missing label is an error here.
    """
    cohort = read_2019(paths, need_label=True, progress=progress)
    order = sorted(range(len(cohort)), key=cohort.patient_ids.__getitem__)
    cohort = cohort if order == list(range(len(cohort))) else cohort.take(order)
    return replace(cohort, sites=named_sites(cohort))


def counts(cohort: Cohort) -> Counts:
    """Counts stays and hours."""
    return Counts(
        len(cohort), int(cohort.septic.sum()), cohort.n_rows, int((cohort.label == 1).sum())
    )


def stays_of_site(cohort: Cohort, name: str) -> NDArray[np.int64]:
    """(n,) indices of the stays of a hospital."""
    sites = named_sites(cohort) if cohort.sites is None else cohort.sites
    return np.flatnonzero(sites == name)


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
