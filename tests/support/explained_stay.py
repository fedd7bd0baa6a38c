"""A septic stay with few measurements, for explanations."""

from __future__ import annotations

from pathlib import Path

from streamer.datasets.cohort import Cohort
from streamer.datasets.physionet2019 import read_2019
from tests.support.synthetic_stays import COLUMNS, Row, stay, write_parquet

ONSET_ROW = 20


def one_stay(folder: Path, columns: tuple[str, ...] = COLUMNS) -> Cohort:
    """A stay of 30 h: a pulse each hour, a lactate at hours 6 and 17, fever from hour 10 on."""
    values: dict[int, Row] = {row: {"HR": 80.0 + 2 * row} for row in range(30)}
    values[5]["Lactate"], values[16]["Lactate"] = 3.5, 1.5
    for row in range(9, 30, 4):
        values[row]["Temp"] = 39.0
    rows = {"p000007": stay(30, ONSET_ROW, values=values)}
    return read_2019([write_parquet(folder / "one.parquet", rows, columns)], need_label=False)
