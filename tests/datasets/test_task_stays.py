from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.core.variables import INDEX, N_VARIABLES
from streamer.datasets.cohort import NO_LABEL, Cohort, DataError
from streamer.datasets.physionet2019 import read_2019
from streamer.datasets.task import parse_task, read_task
from streamer.datasets.task_stays import read_task_stays
from tests.support.paths import DATA
from tests.support.synthetic_cohort import learnable_file
from tests.support.task_files import TASKS, write_own, write_yaib

OWN = read_task(TASKS / "our-icu.toml")


@pytest.fixture(scope="module")
def stays(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return read_2019([learnable_file(tmp_path_factory.mktemp("data"), 12)])


def assert_same(cohort: Cohort, expected: Cohort, atol: float = 0) -> None:
    np.testing.assert_array_equal(cohort.starts, expected.starts)
    np.testing.assert_array_equal(cohort.iculos, expected.iculos)
    np.testing.assert_array_equal(cohort.label, expected.label)
    of_34 = cohort.values[:, :N_VARIABLES]
    np.testing.assert_allclose(of_34, expected.values, rtol=0, atol=atol)
    np.testing.assert_array_equal(cohort.age, expected.age)
    np.testing.assert_array_equal(cohort.sex, expected.sex)


def test_a_yaib_cohort_gives_the_stays_it_was_made_of(stays: Cohort, tmp_path: Path) -> None:
    folder = write_yaib(tmp_path / "yaib", stays)
    cohort = read_task_stays([folder], read_task(TASKS / "yaib-sepsis.toml"))
    assert_same(cohort, stays)
    names = cohort.variables.names
    assert len(names) == 52
    crp = cohort.values[:, names.index("crp")]
    np.testing.assert_allclose(crp, 10 * stays.values[:, names.index("lactate")], rtol=1e-6)
    assert np.isnan(cohort.values[:, names.index("sodium")]).all()
    of_stay = write_yaib(tmp_path / "death", stays, of_stay=True)
    death = read_task_stays([of_stay], read_task(TASKS / "yaib-death.toml"))
    np.testing.assert_array_equal(death.label == 1, stays.septic[stays.patient_of_row])


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
def test_a_table_of_ones_own_gives_the_same_stays(stays: Cohort, tmp_path: Path, name: str) -> None:
    cohort = read_task_stays([write_own(tmp_path / name, stays)], OWN)
    assert_same(cohort, stays, atol=1e-5)  # Fahrenheit and back, in float32
    assert cohort.patient_ids == stays.patient_ids
    assert cohort.owners[:3] == ["m0", "m0", "m1"]
    assert cohort.sites is not None
    assert cohort.dates is not None
    assert cohort.sites[:2].tolist() == ["south", "north"]
    assert cohort.dates[:2].tolist() == ["2022-01-01", "2022-02-01"]


def own_table(tmp_path: Path, **columns: Sequence[object]) -> Path:
    n = len(columns["hours_since_admission"])
    table: dict[str, object] = {"stay": ["a"] * n, "sepsis_hour": pa.nulls(n, pa.float64())}
    for name in ("mrn", "unit", "admitted", "sex"):
        table[name] = [""] * n
    for name in ("age", "HF", "MAD", "SpO2", "Temp", "Krea", "Laktat"):
        table[name] = pa.nulls(n, pa.float64())
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({**table, **columns}), file)
    return file


def test_the_last_value_of_an_hour_counts_and_hours_between_are_empty(tmp_path: Path) -> None:
    file = own_table(
        tmp_path,
        hours_since_admission=[3.2, 0.9, 0.1, 0.95, -4.0],
        HF=[90.0, 81.0, 80.0, None, 70.0],
        Krea=[None, 88.4, None, None, None],
    )
    cohort = read_task_stays([file], OWN)
    assert cohort.iculos.tolist() == [1, 2, 3, 4]
    heart_rate = cohort.values[:, INDEX["heart_rate"]]
    np.testing.assert_array_equal(heart_rate, np.array([81, np.nan, np.nan, 90], np.float32))
    assert cohort.values[0, INDEX["creatinine"]] == pytest.approx(1.0)


def test_labels_are_moved_to_six_hours_before_the_event(tmp_path: Path) -> None:
    hours = [float(h) for h in range(12)]
    file = own_table(tmp_path, hours_since_admission=hours, sepsis_hour=[9.0] * 12)
    assert read_task_stays([file], OWN).label.tolist() == [0] * 3 + [1] * 9
    from_event_on = {"column": "sepsis_hour", "of": "hour", "lead_hours": 0}
    task = parse_task({**OWN.model_dump(), "label": from_event_on}, "t")
    falls = [0.0] * 9 + [1.0, 0.0, 0.0]
    file = own_table(tmp_path, hours_since_admission=hours, sepsis_hour=falls)
    assert read_task_stays([file], task).label.tolist() == [0] * 3 + [1] * 9


def test_what_a_file_lacks_is_named(stays: Cohort, tmp_path: Path) -> None:
    file = own_table(tmp_path, hours_since_admission=[0.0])
    renamed = parse_task({**OWN.model_dump(), "variables": {"heart_rate": "Puls"}}, "t")
    with pytest.raises(DataError, match="no column 'Puls', which the task names; the file has"):
        read_task_stays([file], renamed)
    unlabelled = parse_task({**OWN.model_dump(), "label": {"column": "none"}}, "t")
    assert read_task_stays([file], unlabelled, need_label=False).label.tolist() == [NO_LABEL]
    folder = write_yaib(tmp_path / "yaib", stays)
    yaib = read_task(TASKS / "yaib-sepsis.toml")
    with pytest.raises(DataError, match=r"no outc.parquet and no sta.parquet"):
        read_task_stays([folder / "dyn.parquet"], yaib)
    with pytest.raises(DataError, match="no row lies in the hours"):
        read_task_stays([own_table(tmp_path, hours_since_admission=[-3.0])], OWN)


@pytest.mark.skipif(not DATA.exists(), reason="needs the public data")
def test_the_2012_set_is_read_by_a_task_file() -> None:
    task = read_task(TASKS / "death-2012.toml")
    folder = DATA / "cinc2012"
    cohort = read_task_stays([folder], task)
    assert len(cohort) == 4000
    assert int(cohort.septic.sum()) == 554  # In-hospital_death of set a
    assert np.nanmedian(cohort.age) == pytest.approx(67, abs=1)
    assert set(cohort.icu_type.tolist()) == {"medical", "surgical", "unknown"}
    assert cohort.lengths.max() <= 49
