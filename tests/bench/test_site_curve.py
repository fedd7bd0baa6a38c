from __future__ import annotations

import numpy as np

from bench.site_curve import MOST_DRAWS, Cell, cells, known_stays, stays_in_no_draw
from bench.site_curve_report import ALL, KINDS, SEPTIC
from tests.support.invented_ward import invented_ward
from trainer.data.split import split_patients


def test_a_site_gathers_stays_in_one_order_and_never_its_test_side() -> None:
    ward = invented_ward(400)
    test = set(split_patients(ward.owners).test.tolist())
    before: set[int] = set()
    for n in (0, 20, 50, ALL):
        known = known_stays(ward, n)
        assert before <= set(known.tolist())
        assert not set(known.tolist()) & test
        if n != ALL:
            assert int(ward.septic[known].sum()) == n
        before = set(known.tolist())
    assert len(before) == len(ward) - len(test)
    share = ward.septic[known_stays(ward, 20)].mean()
    assert np.isclose(share, ward.septic.mean(), atol=0.1)  # septic stays do not come alone
    assert known_stays(ward, 20, 0).tolist() != known_stays(ward, 20, 1).tolist()


def test_the_patients_that_the_rule_is_read_off_are_known_to_no_cell_and_no_test_patients() -> None:
    ward = invented_ward(3000)
    apart = set(stays_in_no_draw(ward).tolist())
    assert apart
    assert not apart & set(split_patients(ward.owners).test.tolist())
    for cell in cells(KINDS, MOST_DRAWS):
        if cell.n_septic != ALL:
            assert not apart & set(known_stays(ward, cell.n_septic, cell.draw).tolist())


def test_every_cell_has_a_name_of_its_own_and_small_numbers_are_drawn_again() -> None:
    every = cells(KINDS, 3)
    assert len({cell.name for cell in every}) == len(every)
    assert [c.name for c in every if c.kind == "shipped"] == ["shipped-0"]
    fine_tuned = [(c.n_septic, c.draw) for c in every if c.kind == "fine-tuned"]
    assert {n for n, draw in fine_tuned if draw} == {20, 50, 100}
    assert {n for n, _ in fine_tuned} == set(SEPTIC) - {0}
    assert Cell("anew", ALL).name == "anew-all"
