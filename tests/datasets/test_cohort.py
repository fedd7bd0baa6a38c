from __future__ import annotations

from pathlib import Path

import numpy as np

from streamer.datasets.physionet2019 import read_2019
from tests.support.physionet_files import (
    written_2019,
)


def test_take_keeps_stays_whole_and_in_the_order_asked_for(tmp_path: Path) -> None:
    cohort = read_2019([written_2019(tmp_path, "parquet")])
    turned = cohort.take([1, 0])
    assert turned.patient_ids == ["p100002", "p000001"]
    assert turned.iculos.tolist() == [5, 6, 1, 2, 3]
    np.testing.assert_array_equal(turned.values[turned.rows(1)], cohort.values[cohort.rows(0)])
    assert cohort.take([]).n_rows == 0
