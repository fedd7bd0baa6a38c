"""Cohorts of labelled stays: loading, counts, and the fingerprint in a bundle's manifest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.manifest import Fingerprint
from streamer.core.cleaning import clean
from streamer.datasets.cohort import Cohort, DataError, Progress, concatenate
from streamer.datasets.physionet2019 import read_2019
from streamer.datasets.task import Task
from streamer.datasets.task_stays import read_task_stays
from trainer.archive.source import ArchiveSource
from trainer.data.known_stays import named_sites


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of stays and hours, and of the septic ones among them (positive, for hours)."""

    n_patients: int
    n_septic: int
    n_rows: int
    n_positive_rows: int


def load_unlabelled(
    paths: Iterable[Path], progress: Progress | None = None, task: Task | None = None
) -> Cohort:
    """Reads stays whose labels may be missing, in the order of the files.

    Args:
        paths: PhysioNet 2019 files and folders, or those of the task.
        progress: called with (files done, files in all).
        task: reads files by it, instead of as PhysioNet 2019.

    Raises:
        DataError: see ``read_2019`` and ``read_task_stays``.
    """
    if task is None:
        return read_2019([*paths], need_label=False, progress=progress)
    return read_task_stays([*paths], task, need_label=False)


def load_cohort(
    paths: Iterable[Path], progress: Progress | None = None, task: Task | None = None
) -> Cohort:
    """Reads labelled stays, sorted by patient id whatever the order of the files.

    Args:
        paths: PhysioNet 2019 files and folders, and archives (`archive:FOLDER[@VERSION]`).
        progress: called with (files done, files in all).
        task: reads files by it, instead of as PhysioNet 2019.

    ``sites`` holds the hospitals, as far as files or public ids name them.

    Raises:
        DataError: as ``read_2019`` and ``read_archive``; a missing label is an error here.
    """
    files, archives = [], []
    for path in paths:
        source = ArchiveSource.parse(str(path))
        if source is None:
            files.append(path)
        else:
            archives.append(source)
    parts: list[Cohort] = []
    if task is not None:
        if archives:
            raise DataError("an archive is read without --task: its stays have the shipped one")
        parts.append(read_task_stays(files, task))
    elif files or not archives:
        parts.append(read_2019(files, need_label=True, progress=progress))
    if archives:
        # Deltalake is an extra of its own: files are read without it.
        from trainer.archive.cohort import read_archive  # noqa: PLC0415

        parts += [read_archive(source).cohort for source in archives]
    cohort = concatenate(parts)
    twice = [patient for patient, n in Counter(cohort.patient_ids).items() if n > 1]
    if twice:
        raise DataError(f"{twice[0]} is in two of the sources, as are {len(twice) - 1} others")
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


def fingerprint(cohort: Cohort, *, as_charted: bool = False) -> Fingerprint:
    """The part of a bundle's manifest that identifies its data.

    Two cohorts with equal fingerprints hold the same patients in the same order with the same
    values, labels and demographics, whichever files they came from, or an archive. The values are
    those that training sees: cleaned.

    Args:
        cohort: the stays.
        as_charted: of values before cleaning, as bundles of earlier versions have it.
    """
    values = cohort.values if as_charted else clean(cohort.values, cohort.variables)
    digest = hashlib.sha256("\n".join(cohort.patient_ids).encode())
    # NaN has many bit patterns; one stands for all of them.
    for array in (values, cohort.age, cohort.hours_since_hospital_admission):
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
