from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.synthetic_stays import COLUMNS, stay, write_psv
from trainer.cli.score import score
from trainer.errors import WrongUsage


def test_stays_without_labels_are_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = tuple(name for name in COLUMNS if name != "SepsisLabel")
    for i in range(2):
        write_psv(tmp_path / f"p{i}.psv", stay(5, values={0: {"HR": 80 + i}}), columns)
    score(out=tmp_path / "x.parquet", data=[tmp_path])
    table = pq.read_table(tmp_path / "x.parquet")
    assert table["patient"].to_pylist() == ["p0"] * 5 + ["p1"] * 5
    assert table["hour"].to_pylist() == [1, 2, 3, 4, 5] * 2
    assert "2 stays, 10 hours" in capsys.readouterr().out


def test_every_fault_of_the_usage_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage) as error:
        score(out=tmp_path / "none" / "x.xlsx", data=[tmp_path / "absent"], model=tmp_path)
    assert len(error.value.faults) == 4
