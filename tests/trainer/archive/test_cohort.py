"""Stays that streamed by are those of the files: rows, labels and sides, to the bit."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench.archived_log import PLAIN, START_MS, archive, brokers, shuffled
from streamer.core.cleaning import clean
from streamer.core.time import DAY_MS
from streamer.datasets.cohort import Cohort, DataError
from streamer.datasets.physionet2019 import read_2019
from streamer.feeds.replay import replay
from tests.support.paths import ROOT
from tests.support.plain_fit import drawing_nothing
from tests.support.synthetic_cohort import QUICK, learnable_file
from trainer.archive.cohort import read_archive
from trainer.archive.fold import fold
from trainer.archive.pseudonyms import PatientNames
from trainer.archive.source import ArchiveSource
from trainer.data.cohort import counts, fingerprint, load_cohort
from trainer.data.split import side_of, split_patients
from trainer.fit import fit
from trainer.progress import Reporter

PUBLIC = ROOT.parent / "shared" / "data" / "cinc2019" / "dev_A.parquet"
KEYED = PatientNames(b"a key of this test")
QUIET = Reporter(Console(quiet=True))


def files(folder: Path, n_stays: int = 30) -> Cohort:
    return load_cohort([learnable_file(folder, n_stays)])


def assert_same_stays(kept: Cohort, read: Cohort) -> None:
    """As training sees them: values cleaned."""
    assert kept.patient_ids == read.patient_ids
    for field in fields(Cohort):
        one, other = getattr(kept, field.name), getattr(read, field.name)
        if field.name == "values":
            other = clean(other)
        # An archive is of one site, and knows who came twice.
        if field.name not in ("patient_ids", "sites", "persons"):
            np.testing.assert_array_equal(one, other, field.name)
    assert kept.owners == read.owners
    assert fingerprint(kept) == fingerprint(read)


def test_replayed_stays_are_those_of_the_files(tmp_path: Path) -> None:
    read = files(tmp_path)
    root = tmp_path / "archive"
    archive(root, brokers(shuffled(read, seed=1)))
    report = fold(root)
    assert (report.n_stays, report.n_open, report.n_incomplete) == (len(read), 1, 0)
    assert_same_stays(load_cohort([Path(f"archive:{root}")]), read)


def test_stays_carry_the_ward_that_they_were_in(tmp_path: Path) -> None:
    feed = shuffled(files(tmp_path, 12), seed=2)
    for message in feed:
        if message.value["type"] == "admission":
            message.value["ward"] = f"ICU {int(message.key[-1]) % 2}"
    archive(tmp_path / "archive", brokers(feed))
    fold(tmp_path / "archive")
    cohort = load_cohort([Path(f"archive:{tmp_path / 'archive'}")])
    assert cohort.sites is not None
    wards = dict(zip(cohort.patient_ids, cohort.sites.tolist(), strict=True))
    assert wards == {patient: f"ICU {int(patient[-1]) % 2}" for patient in cohort.patient_ids}


def test_public_stays_are_those_of_the_files(tmp_path: Path) -> None:
    if not PUBLIC.exists():
        pytest.skip(f"the public data are not here: {PUBLIC}")
    whole = read_2019([PUBLIC])
    first = sorted(range(len(whole)), key=whole.patient_ids.__getitem__)[:300]
    read = whole.take(first)
    assert read.septic.any()
    archive(tmp_path, brokers(shuffled(read, seed=2)))
    fold(tmp_path)
    assert_same_stays(load_cohort([Path(f"archive:{tmp_path}")]), read)


def test_pseudonyms_leave_sides_and_counts_as_they_are_and_no_id_behind(tmp_path: Path) -> None:
    read = files(tmp_path)
    root = tmp_path / "archive"
    archive(root, brokers(replay(read, START_MS, admissions_per_hour=20)), KEYED)
    fold(root)
    kept = read_archive(ArchiveSource(root)).cohort
    assert counts(kept) == counts(read)
    sides = sorted(side_of(patient) for patient in kept.patient_ids)
    assert sides == sorted(side_of(patient) for patient in read.patient_ids)
    content = b"".join(file.read_bytes() for file in root.rglob("*") if file.is_file())
    assert not [p for p in read.patient_ids if p.encode() in content]
    with pytest.raises(ValueError, match="salt"):
        split_patients(kept.patient_ids, salt="another")


@pytest.mark.parametrize("names", [PLAIN, KEYED], ids=["plain", "pseudonyms"])
def test_the_stays_of_a_readmitted_patient_are_of_one_person(
    tmp_path: Path, names: PatientNames
) -> None:
    read = files(tmp_path, 12)
    again = replay(read, START_MS + 40 * DAY_MS)
    archive(tmp_path / "archive", brokers([*replay(read, START_MS), *again]), names)
    fold(tmp_path / "archive")
    kept = load_cohort([Path(f"archive:{tmp_path / 'archive'}")])
    assert set(Counter(kept.owners).values()) == {2}
    assert set(kept.owners) <= set(kept.patient_ids)
    if names is PLAIN:
        assert set(kept.owners) == set(read.patient_ids)
    sides = zip(kept.owners, kept.patient_ids, strict=True)
    assert all(side_of(owner) == side_of(patient) for owner, patient in sides)


def test_an_earlier_version_reads_as_it_did(tmp_path: Path) -> None:
    read = files(tmp_path)
    topics = brokers(replay(read.take(range(20)), START_MS))
    root = tmp_path / "archive"
    archive(root, topics)
    fold(root)
    before = read_archive(ArchiveSource(root))
    later = brokers(replay(read.take(range(20, 30)), START_MS))
    for name, broker in later.items():
        for record in (record for records in broker.partitions for record in records):
            topics[name].append(record.partition, record.key, record.value, record.timestamp_ms)
    archive(root, topics)
    assert fold(root).n_stays == 30
    text = f"archive:{root}@{before.stays_version}.{before.outcomes_version}"
    source = ArchiveSource.parse(text)
    assert source is not None
    assert fingerprint(read_archive(source).cohort) == fingerprint(before.cohort)


def test_what_nobody_vouches_for_or_is_not_mature_is_counted_and_left_out(tmp_path: Path) -> None:
    read = files(tmp_path)
    topics = brokers(replay(read, START_MS))
    # The outcomes of one partition never come.
    silent = len(topics["outcomes"].partitions[0])
    topics["outcomes"].partitions[0].clear()
    root = tmp_path / "archive"
    archive(root, topics)
    fold(root)
    kept = read_archive(ArchiveSource(root))
    assert silent > 0
    assert kept.counts["unlabelled"] == silent
    assert kept.counts["labelled"] == len(kept.cohort) == len(read) - silent
    assert min(kept.labelled_share.values()) == pytest.approx(1 - silent / len(read))
    with pytest.raises(DataError, match="immature"):
        read_archive(ArchiveSource(root), mature_hours=24 * 365)


def test_a_fit_on_the_archive_gives_the_weights_of_a_fit_on_the_files(tmp_path: Path) -> None:
    file = learnable_file(tmp_path, 60)
    root = tmp_path / "archive"
    archive(root, brokers(shuffled(load_cohort([file]), seed=3)))
    fold(root)
    recipe = replace(QUICK, epochs=1, reading_epochs=1)
    with drawing_nothing():
        of_files, of_archive = (
            fit([path], tmp_path / name, recipe, reporter=QUIET, n_bootstrap=0).bundle
            for name, path in (("files", file), ("archive", Path(f"archive:{root}")))
        )
    assert of_archive.weights == of_files.weights
    assert of_archive.manifest["data"] == of_files.manifest["data"]
