from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from streamer.bundles.manifest import Manifest
from streamer.datasets.cohort import Cohort
from tests.support.paths import DATA
from tests.support.physionet_files import needs_public_data
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.known_stays import contents_of, is_public, known_stays, named_sites, not_fitted_on
from trainer.data.public_2019 import public_2019
from trainer.data.stay_content import N_CHANGES, stay_content
from trainer.data.training_patients import SeenPatients


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 80)])


@pytest.fixture(scope="module")
def manifest(cohort: Cohort) -> Manifest:
    """Of a bundle that was fitted on the first fifty stays."""
    fitted_on = cohort.take(range(50))
    return {
        "data": {
            "seen": SeenPatients.of(fitted_on.patient_ids).to_text(),
            "seen_content": SeenPatients.of(contents_of(fitted_on)).to_text(),
        }
    }


def under_other_ids(cohort: Cohort) -> Cohort:
    return replace(cohort, patient_ids=[f"mrn-{i}" for i in range(len(cohort))])


def test_content_survives_what_people_do_to_files(cohort: Cohort) -> None:
    texts = stay_content(cohort)
    assert len({text for text in texts if text}) == len(texts) - texts.count(None) > 70
    rate = cohort.values[:, 0].copy()
    filled = np.where(np.isnan(cohort.values), 0, cohort.values).astype(np.float32)
    assert stay_content(replace(cohort, values=filled)) == texts
    rate[3] = np.nan
    changed = cohort.values.copy()
    changed[:, 2] = changed[:, 2] * 9 / 5 + 32
    changed[:, 4] = np.nan
    assert stay_content(replace(cohort, values=changed)) == texts
    carried = cohort.values.copy()
    carried[1] = np.nan
    gap = stay_content(replace(cohort, values=carried))
    carried[1] = carried[0]
    assert stay_content(replace(cohort, values=carried)) == gap


def test_a_stay_with_little_measured_has_no_content(cohort: Cohort) -> None:
    values = cohort.values.copy()
    values[cohort.starts[0] + N_CHANGES - 1 : cohort.starts[1], 0] = np.nan
    assert stay_content(replace(cohort, values=values))[0] is None


def test_the_same_stays_under_other_ids_are_known(cohort: Cohort, manifest: Manifest) -> None:
    known = known_stays(manifest, under_other_ids(cohort))
    assert known is not None
    comparable = known.comparable
    assert known.seen[:50][comparable[:50]].all()
    assert known.beyond_chance(known.seen) >= 45
    assert known.under_other_ids.sum() >= 45
    assert known.seen[50:].sum() <= 2  # false answers are one in 120


@pytest.mark.parametrize("renamed", [False, True])
def test_a_test_side_that_a_bundle_was_fitted_on_is_left_out(
    cohort: Cohort, manifest: Manifest, renamed: bool
) -> None:
    asked = under_other_ids(cohort) if renamed else cohort
    stays = np.arange(40, 80)
    left = not_fitted_on(manifest, asked, stays)
    assert set(left) <= set(range(40, 80))
    assert (left >= 50).sum() >= 28  # false answers are one in 120, by id and by content
    assert (left < 50).sum() <= 2 * renamed  # those with little measured
    assert not_fitted_on(manifest, asked, stays[10:]).tolist() == list(range(50, 80))
    assert not_fitted_on({}, asked, stays) is stays


def test_other_stays_under_the_same_ids_are_not(
    cohort: Cohort, manifest: Manifest, tmp_path: Path
) -> None:
    others = load_cohort([learnable_file(tmp_path, 80, seed=5)])
    assert others.patient_ids == cohort.patient_ids
    known = known_stays(manifest, others)
    assert known is not None
    assert known.ids_alike
    assert known.beyond_chance(known.seen) == 0
    known = known_stays(manifest, cohort)
    assert known is not None
    assert not known.ids_alike
    assert known.beyond_chance(known.seen) >= 50


def test_a_bundle_without_content_goes_by_ids(cohort: Cohort, manifest: Manifest) -> None:
    del (old := {"data": dict(manifest["data"])})["data"]["seen_content"]
    known = known_stays(old, under_other_ids(cohort))  # type: ignore[arg-type]
    assert known is not None
    assert known.beyond_chance(known.seen) == 0
    assert not known.ids_alike
    assert known_stays({}, cohort) is None


def test_public_sites_are_named_by_ids_unless_the_content_is_another(tmp_path: Path) -> None:
    file = learnable_file(tmp_path, 60)
    by_column = load_cohort([file])
    assert set(named_sites(by_column)) == {"A", "B"}
    pq.write_table(pq.read_table(file).drop(["site"]), file)
    assert set(load_cohort([file]).sites) == {""}  # type: ignore[arg-type]
    beyond = load_cohort([learnable_file(tmp_path, 8, first_id=90_000)])
    assert set(named_sites(replace(beyond, sites=None))) == {"A", "B"}  # nothing speaks against it
    ours = replace(beyond, sites=None, patient_ids=[f"p0-{i}" for i in range(8)])
    assert set(named_sites(ours)) == {""}
    assert not is_public(by_column)


def test_the_shipped_bundle_has_its_content_beside_it() -> None:
    assert public_2019()["model"] == bundles.load(SHIPPED).model_id


@needs_public_data
def test_public_stays_are_known_under_any_id() -> None:
    cohort = load_cohort([DATA / "cinc2019" / "dev_B.parquet"])
    some = cohort.take(range(400))
    assert is_public(some)
    assert set(some.sites) == {"B"}  # type: ignore[arg-type]
    known = known_stays(bundles.load(SHIPPED).manifest, under_other_ids(some))
    assert known is not None
    assert known.under_other_ids.sum() > 300
    fake = replace(some, sites=None, patient_ids=[f"p{i:06}" for i in range(1, 401)])
    assert set(named_sites(replace(fake, values=fake.values[::-1].copy()))) == {""}
