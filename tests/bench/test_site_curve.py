from __future__ import annotations

import numpy as np

from bench.site_curve import KINDS, SEPTIC, Cell, cells, known_stays, table
from tests.support.invented_ward import invented_ward
from trainer.data.split import split_patients


def test_a_site_gathers_stays_in_one_order_and_never_its_test_side() -> None:
    ward = invented_ward(400)
    test = set(split_patients(ward.owners).test.tolist())
    before: set[int] = set()
    for n in (0, 20, 50, -1):
        known = known_stays(ward, n)
        assert before <= set(known.tolist())
        assert not set(known.tolist()) & test
        if n >= 0:
            assert int(ward.septic[known].sum()) == n
        before = set(known.tolist())
    assert len(before) == len(ward) - len(test)
    share = ward.septic[known_stays(ward, 20)].mean()
    assert np.isclose(share, ward.septic.mean(), atol=0.1)  # septic stays do not come alone


def test_every_cell_is_measured_once_and_the_table_has_a_place_for_it() -> None:
    every = cells(KINDS)
    assert len(every) == len(set(every)) == 1 + 4 * (len(SEPTIC) - 1)
    rows = {Cell("shipped", 0).name: {"utility": 0.31, "utility_ci": [0.25, 0.37], "auroc": 0.8}}
    text = table(rows, KINDS)
    assert "| utility, as shipped from A | 0.310 [0.250, 0.370] |" in text
    assert "| AUROC, as shipped from A | 0.800 |" in text
