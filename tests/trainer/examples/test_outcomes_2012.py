from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.core.variables import INDEX
from streamer.datasets.cohort import DataError
from streamer.datasets.physionet2012 import read_2012
from tests.support.example_files import records_2012
from tests.support.paths import DATA
from trainer.examples.outcomes_2012 import HOURS, hourly, read_outcomes

CINC2012 = DATA / "cinc2012"
real_data = pytest.mark.skipif(not CINC2012.is_dir(), reason="the PhysioNet files are not here")


def test_an_hour_has_the_last_value_charted_in_it(tmp_path: Path) -> None:
    record = tmp_path / "132539.txt"
    record.write_text(
        "Time,Parameter,Value\n00:00,RecordID,132539\n00:00,Age,54\n"
        "00:07,HR,73\n00:59,HR,77\n01:00,HR,88\n47:59,HR,60\n48:00,HR,50\n"
    )
    cohort = hourly(read_2012([record]), np.array([True]))
    rate = cohort.values[:, INDEX["heart_rate"]]
    assert cohort.n_rows == HOURS
    assert np.flatnonzero(~np.isnan(rate)).tolist() == [0, 1, 47]
    assert rate[[0, 1, 47]].tolist() == [77, 88, 60]
    assert cohort.iculos.tolist() == list(range(1, HOURS + 1))
    assert set(cohort.label.tolist()) == {1}


def test_outcomes_come_in_the_order_of_the_records(tmp_path: Path) -> None:
    data, file = records_2012(tmp_path, 6)
    ids = read_2012([data]).patient_ids
    outcomes = read_outcomes(file, ids[::-1])
    assert outcomes.died.tolist() == [False, False, True, False, False, True]
    np.testing.assert_array_equal(outcomes.saps, [10, 10, 13, 10, np.nan, 13])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RecordID,Age\n132539,4\n", "missing columns SAPS-I, SOFA, In-hospital_death"),
        (
            "RecordID,SAPS-I,SOFA,In-hospital_death\n132540,1,1,0\n",
            "no outcome of 1 of the 1 records, such as 132539",
        ),
        (
            "RecordID,SAPS-I,SOFA,In-hospital_death\n132539,1,1,2\n",
            "line 2: In-hospital_death is 2, not 0 or 1",
        ),
        (
            "RecordID,SAPS-I,SOFA,In-hospital_death\n132539,high,1,1\n",
            "line 2: SAPS-I is 'high', not a number",
        ),
    ],
)
def test_wrong_outcomes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "outcomes.txt"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_outcomes(file, ["132539"])


@real_data
def test_the_public_records_have_their_outcomes() -> None:
    records = read_2012([CINC2012 / "cinc2012_seta.parquet"])
    outcomes = read_outcomes(CINC2012 / "cinc2012_outcomes-a.txt", records.patient_ids)
    assert (len(outcomes.died), int(outcomes.died.sum())) == (4000, 554)
    cohort = hourly(records, outcomes.died)
    assert cohort.n_rows == 4000 * HOURS
    assert np.nanmedian(cohort.values[:, INDEX["heart_rate"]]) == pytest.approx(86, abs=3)
