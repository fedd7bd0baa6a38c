from __future__ import annotations

from pathlib import Path

import pytest

from streamer.datasets.cohort import DataError
from streamer.datasets.physionet2019 import read_2019
from tests.support.physionet_files import (
    TWO_STAYS,
)
from tests.support.synthetic_stays import stay, write_parquet, write_psv


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.psv or \.parquet file in this folder"):
        read_2019([tmp_path])
    with pytest.raises(DataError, match="no such file"):
        read_2019([tmp_path / "away"])
    with pytest.raises(DataError, match="no data given"):
        read_2019([])
    (tmp_path / "notes.doc").write_text("x")
    with pytest.raises(DataError, match=r"notes\.doc: expected a \.psv"):
        read_2019([tmp_path / "notes.doc"])
    (tmp_path / "bad.parquet").write_text("x")
    with pytest.raises(DataError, match=r"bad\.parquet: not a readable parquet"):
        read_2019([tmp_path / "bad.parquet"])


def test_a_patient_in_two_files_is_refused(tmp_path: Path) -> None:
    rows = TWO_STAYS["p000001"]
    write_psv(tmp_path / "a" / "p000001.psv", rows)
    write_psv(tmp_path / "b" / "p000001.psv", rows)
    with pytest.raises(DataError, match=r"p000001 is given twice: .*a.p000001.* and .*b.p000001"):
        read_2019([tmp_path])
    write_parquet(tmp_path / "c.parquet", TWO_STAYS)
    with pytest.raises(DataError, match=r"p000001 is given twice: .*p000001\.psv and .*c\.parquet"):
        read_2019([tmp_path / "a", tmp_path / "c.parquet"])


def test_hidden_copies_are_passed_over_with_their_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_psv(tmp_path / "set" / "p000001.psv", TWO_STAYS["p000001"])
    for name in ("set/._p000001.psv", "__MACOSX/._p000001.psv", ".Trashes/p000002.psv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2")
    assert read_2019([tmp_path]).patient_ids == ["p000001"]
    assert "3 hidden files (.NAME) are passed over" in caplog.text
    with pytest.raises(DataError, match=r"\._p000001\.psv: not a text file: it holds zero bytes"):
        read_2019([tmp_path / "set" / "._p000001.psv"])
    with pytest.raises(DataError, match=r"no .* file in this folder, but 1 hidden"):
        read_2019([tmp_path / "__MACOSX"])


@pytest.mark.parametrize("copy", ["p000001 (1).psv", "P000001.PSV", "p000009.psv"])
def test_one_stay_under_two_names_is_refused(tmp_path: Path, copy: str) -> None:
    rows = stay(30, values={hour: {"HR": 60 + hour, "SBP": 99} for hour in range(30)})
    other = stay(30, values={hour: {"HR": 61 + hour, "SBP": 99} for hour in range(30)})
    write_psv(tmp_path / "p000001.psv", rows)
    write_psv(tmp_path / "p000002.psv", other)
    assert len(read_2019([tmp_path])) == 2
    write_psv(tmp_path / copy, rows)
    with pytest.raises(DataError, match=r"same stay under two names|is given twice") as refused:
        read_2019([tmp_path])
    assert copy in str(refused.value)
    assert "p000001.psv" in str(refused.value)


def test_short_stays_may_be_alike(tmp_path: Path) -> None:
    for name in ("p000001", "p000002"):
        write_psv(tmp_path / f"{name}.psv", stay(2, values={0: {"HR": 80}}))
    assert len(read_2019([tmp_path])) == 2
