from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.support.invented_ward import invented_ward
from trainer.archive.stay_ids import position_of, stay_id
from trainer.data.split import FRACTIONS, SIDES, side_of, split_patients

IDS = [f"p{i:06}" for i in range(20_000)]


def test_every_patient_is_on_exactly_one_side() -> None:
    split = split_patients(IDS)
    together = np.concatenate([split.train, split.validation, split.test])
    assert sorted(together.tolist()) == list(range(len(IDS)))
    shares = [len(split.side(side)) / len(IDS) for side in SIDES]
    # Four binomial standard deviations of 20,000 draws at 0.7.
    assert shares == pytest.approx(FRACTIONS, rel=0, abs=4 * (0.7 * 0.3 / 20_000) ** 0.5)


def test_the_side_does_not_depend_on_the_other_patients() -> None:
    some = IDS[::7][::-1]
    split = split_patients(some)
    for side in SIDES:
        assert {side_of(some[i]) for i in split.side(side)} == {side}
    assert {some[i] for i in split.test} <= {IDS[i] for i in split_patients(IDS).test}


def test_the_side_is_the_same_in_another_process() -> None:
    sides = subprocess.run(
        [
            sys.executable,
            "-c",
            "from trainer.data.split import *; print(*map(side_of, ['p1', 'ä']))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(sys.path)},
    ).stdout.split()
    assert sides == [side_of("p1"), side_of("ä")]


def test_known_sides_stay_where_published_figures_put_them() -> None:
    # A change of these moves test patients into training: bundles could not be compared any more.
    assert [side_of(p) for p in ("p000001", "p000004", "p000018", "p100001")] == KNOWN


KNOWN = ["validation", "test", "train", "validation"]


def test_another_salt_is_another_split() -> None:
    moved = np.mean([side_of(p) != side_of(p, salt="other") for p in IDS])
    by_chance = 1 - sum(f * f for f in FRACTIONS)
    # Four binomial standard deviations.
    assert moved == pytest.approx(by_chance, rel=0, abs=4 * (0.25 / 20_000) ** 0.5)


@pytest.mark.parametrize("fractions", [(0.7, 0.2, 0.2), (1.1, -0.2, 0.1)])
def test_fractions_that_are_none_are_refused(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        split_patients(IDS[:3], fractions=fractions)


def test_stays_of_one_person_lie_on_one_side() -> None:
    cohort = replace(invented_ward(200), persons=np.array([f"x{i // 2}" for i in range(200)]))
    assert cohort.owners[:3] == ["x0", "x0", "x1"]
    split = split_patients(cohort.owners)
    sides = np.empty(200, object)
    for side in SIDES:
        sides[split.side(side)] = side
    assert (sides[::2] == sides[1::2]).all()
    nobody_said = replace(cohort, persons=np.array([""] * 200))
    assert nobody_said.owners == cohort.patient_ids


def test_a_deciding_side_is_taken_out_of_the_test_side_and_is_the_same_under_pseudonyms() -> None:
    split = split_patients(IDS)
    test, deciding = split.deciding_apart(IDS, "vigil")
    assert sorted([*test, *deciding]) == split.test.tolist()
    assert len(deciding) == pytest.approx(len(split.test) * 2 / 3, rel=0.05)
    assert split.deciding_apart(IDS, "other")[1].tolist() != deciding.tolist()
    renamed = [stay_id(f"{i:032x}", position_of(p), 1, is_plain=False) for i, p in enumerate(IDS)]
    assert split_patients(renamed).deciding_apart(renamed, "vigil")[1].tolist() == deciding.tolist()
