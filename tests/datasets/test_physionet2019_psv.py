from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamer.core.variables import INDEX
from streamer.datasets.cohort import DataError
from streamer.datasets.physionet2019 import read_2019
from tests.support.physionet_files import (
    TWO_STAYS,
)
from tests.support.synthetic_stays import COLUMNS, stay, write_psv


def test_psv_of_spreadsheets_reads_the_same(tmp_path: Path) -> None:
    plain = read_2019([write_psv(tmp_path / "a" / "p000001.psv", TWO_STAYS["p000001"])])
    content = (tmp_path / "a" / "p000001.psv").read_bytes()
    odd = tmp_path / "b" / "p000001.psv"
    odd.parent.mkdir()
    odd.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n\r\n").replace(b"NaN", b""))
    again = read_2019([odd])
    np.testing.assert_array_equal(again.values, plain.values)
    assert again.label.tolist() == plain.label.tolist()


def test_columns_may_come_in_any_order(tmp_path: Path) -> None:
    here = write_psv(tmp_path / "a" / "p000001.psv", TWO_STAYS["p000001"])
    turned = write_psv(tmp_path / "b" / "p000002.psv", TWO_STAYS["p000001"], COLUMNS[::-1])
    cohort = read_2019([here, turned])
    np.testing.assert_array_equal(cohort.values[:3], cohort.values[3:])


def test_many_small_files_report_progress(tmp_path: Path) -> None:
    for i in range(1203):
        write_psv(tmp_path / f"p{i:06}.psv", stay(1, values={0: {"HR": 60 + i % 40}}))
    seen: list[tuple[int, int]] = []
    cohort = read_2019([tmp_path], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(500, 1203), (1000, 1203), (1203, 1203)]
    assert cohort.values[:, INDEX["heart_rate"]].tolist() == [60 + i % 40 for i in range(1203)]


def broken(change: Callable[[list[str]], None]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        file = write_psv(folder / "p000001.psv", stay(3, values={1: {"HR": 97}}))
        lines = file.read_text().splitlines()
        change(lines)
        file.write_text("\n".join(lines) + "\n")
        return folder

    return write


def line(number: int, old: str, new: str) -> Callable[[Path], Path]:
    def change(lines: list[str]) -> None:
        assert old in lines[number - 1]
        lines[number - 1] = lines[number - 1].replace(old, new, 1)

    return broken(change)


BAD_PSV = {
    "no number": (line(3, "97", "high"), r"p000001\.psv, line 3: HR is 'high', not a number"),
    "no number, Python's": (line(3, "97", "9_7"), r"line 3: HR is '9_7', not a number"),
    "a cell too few": (line(4, "NaN|", ""), r"p000001\.psv, line 4: 40 cells where .* has 41"),
    "column renamed": (line(1, "HCO3", "Bicarb"), r"p000001\.psv: missing column HCO3"),
    "hour twice": (line(4, "|3|0", "|2|0"), r"line 4: ICULOS 2 follows 2"),
    "hour left out": (line(4, "|3|0", "|4|0"), r"line 4: ICULOS 4 follows 2"),
    "hour zero": (line(2, "|1|0", "|0|0"), r"line 2: ICULOS is 0"),
    "hour missing": (line(3, "|2|0", "|NaN|0"), r"line 3: ICULOS is nan"),
    "label 2": (line(4, "|3|0", "|3|2"), r"line 4: SepsisLabel is 2"),
    "only a header": (broken(lambda lines: lines.__delitem__(slice(1, None))), "no rows"),
    "empty": (broken(lambda lines: lines.clear()), "no rows"),
}


@pytest.mark.parametrize("case", BAD_PSV)
def test_bad_psv_is_refused_with_file_and_line(tmp_path: Path, case: str) -> None:
    write, message = BAD_PSV[case]
    with pytest.raises(DataError, match=message):
        read_2019([write(tmp_path)])
