from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.datasets.cohort import Cohort
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import counts, fingerprint, load_cohort, stays_of_site


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 40)])


def test_the_order_of_the_files_changes_nothing(tmp_path: Path) -> None:
    files = [learnable_file(tmp_path, 10, seed=first, first_id=first) for first in (0, 10)]
    cohort, again = load_cohort(files), load_cohort(files[::-1])
    assert cohort.patient_ids == sorted(cohort.patient_ids) == again.patient_ids
    assert fingerprint(cohort) == fingerprint(again)


def test_counts(cohort: Cohort) -> None:
    n = counts(cohort)
    assert (n.n_patients, n.n_rows) == (40, len(cohort.label))
    septic = [cohort.label[cohort.rows(i)].any() for i in range(40)]
    assert n.n_septic == sum(septic) > 0
    assert n.n_positive_rows == (cohort.label == 1).sum() > n.n_septic


def test_sites_follow_from_the_patient_ids(cohort: Cohort) -> None:
    a, b = stays_of_site(cohort, "A"), stays_of_site(cohort, "B")
    assert sorted([*a.tolist(), *b.tolist()]) == list(range(40))
    assert {cohort.patient_ids[i][:2] for i in a} == {"p0"}
    assert {cohort.patient_ids[i][:2] for i in b} == {"p1"}


def test_every_change_of_the_data_changes_the_fingerprint(cohort: Cohort) -> None:
    whole = fingerprint(cohort)
    hashes = {whole["sha256"]}
    changes = {"values": 99, "age": 99, "label": 1, "iculos": 99, "sex": "unknown"}
    for name, value in {**changes, "icu_type": "surgical"}.items():
        other = cohort.take(np.arange(40))
        array = getattr(other, name)
        assert array.flat[0] != value
        array.flat[0] = value
        hashes.add(fingerprint(other)["sha256"])
    hashes.add(fingerprint(cohort.take(np.arange(39)))["sha256"])
    assert len(hashes) == 8
    assert fingerprint(cohort.take(np.arange(40))) == whole


def test_bit_patterns_of_nan_do_not_change_the_fingerprint(cohort: Cohort) -> None:
    other = cohort.take(np.arange(40))
    missing = np.isnan(other.values)
    assert missing.any()
    other.values[missing] = np.array([0x7FC00001], np.uint32).view(np.float32)[0]
    assert fingerprint(other) == fingerprint(cohort)
