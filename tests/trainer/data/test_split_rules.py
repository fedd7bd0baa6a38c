from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.datasets.cohort import DataError
from tests.support.invented_ward import invented_ward
from trainer.data.split import SIDES, Split
from trainer.data.split_rules import ByDate, ByFile, ByHash, fold, rule_of
from trainer.errors import InputError, NothingToEvaluate

WARD = replace(
    invented_ward(200),
    persons=np.array([f"x{i // 2}" for i in range(200)]),
    dates=np.array([f"202{i % 4}-0{1 + i % 9}-15" for i in range(200)]),
)


def sides_of(split: Split) -> list[str]:
    sides = np.full(len(WARD), "", object)
    for side in SIDES:
        sides[split.side(side)] = side
    return sides.tolist()


def split_file(folder: Path, *lines: str, header: str = "patient,side") -> Path:
    file = folder / "split.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


def test_each_person_is_a_test_patient_of_one_fold_and_on_three_sides_in_all() -> None:
    folds = [sides_of(fold("salt", k, 5).split(WARD)) for k in range(5)]
    for person in zip(*folds, strict=True):
        assert sorted(person) == ["test", "train", "train", "train", "validation"]
    for sides in folds:
        assert sides[::2] == sides[1::2]  # two stays of one person
        assert 10 < sides.count("test") < 80


def test_a_file_says_the_sides_of_persons_or_patients(tmp_path: Path) -> None:
    wanted = [SIDES[i // 2 % 3] for i in range(200)]
    by_person = split_file(
        tmp_path, *(f"x{i},{SIDES[i % 3]}" for i in range(100)), header="person,side"
    )
    assert sides_of(ByFile.read(by_person).split(WARD)) == wanted
    lines = [f"{p},{side}" for p, side in zip(WARD.patient_ids, wanted, strict=True)]
    assert sides_of(ByFile.read(split_file(tmp_path, *lines)).split(WARD)) == wanted


def test_what_a_split_file_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected the columns patient \(or person\) and side"):
        ByFile.read(split_file(tmp_path, "p1,test", header="id,side"))
    with pytest.raises(DataError, match="line 3: side is 'tset', not train, validation, test"):
        ByFile.read(split_file(tmp_path, "p1,test", "p2,tset"))
    with pytest.raises(DataError, match="line 3: p1 is on two sides"):
        ByFile.read(split_file(tmp_path, "p1,test", "p1,train"))
    with pytest.raises(DataError, match="no side of 198 of 200 stays"):
        ByFile.read(split_file(tmp_path, "x0,test", header="person,side")).split(WARD)
    lines = [f"{p},{SIDES[i % 3]}" for i, p in enumerate(WARD.patient_ids)]
    with pytest.raises(DataError, match="two stays of x0 on two sides"):
        ByFile.read(split_file(tmp_path, *lines)).split(WARD)


def test_later_persons_test_what_earlier_ones_taught() -> None:
    sides = sides_of(ByDate.parse("2021-01-01, 2022-06-01").split(WARD))
    assert WARD.dates is not None
    dates = WARD.dates.tolist()
    for i, side in enumerate(sides):
        first = min(dates[i - i % 2], dates[i - i % 2 + 1])
        expected = "train" if first < "2021-01-01" else "validation"
        assert side == ("test" if first >= "2022-06-01" else expected)
    assert set(sides) == set(SIDES)


def test_a_split_by_date_needs_two_dates_and_a_date_of_each_stay() -> None:
    for text in ("2021-01-01", "2022-01-01,2021-01-01", "1.1.2021,2.1.2021"):
        with pytest.raises(InputError, match="not two dates"):
            ByDate.parse(text)
    undated = replace(WARD, dates=np.array(["", *WARD.dates.tolist()[1:]]))  # type: ignore[union-attr]
    with pytest.raises(DataError, match="1 of 200 stays have no date"):
        ByDate.parse("2021-01-01,2022-06-01").split(undated)
    with pytest.raises(DataError, match="200 of 200 stays have no date"):
        ByDate.parse("2021-01-01,2022-06-01").split(replace(WARD, dates=None))


def test_a_manifest_gives_the_rule_again(tmp_path: Path) -> None:
    for rule in (ByHash("s"), fold("s", 2, 4), ByDate.parse("2021-01-01,2022-06-01")):
        assert sides_of(rule_of(rule.to_json()).split(WARD)) == sides_of(rule.split(WARD))
    assert ByHash("s").to_json() == {"salt": "s", "fractions": [0.70, 0.15, 0.15]}
    by_file = ByFile.read(split_file(tmp_path, "p1,test"))
    assert "p1" not in str(by_file.to_json())
    with pytest.raises(NothingToEvaluate, match="--split-file"):
        rule_of(by_file.to_json())
