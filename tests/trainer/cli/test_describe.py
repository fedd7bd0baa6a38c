from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamer.core.variables import VARIABLES
from tests.support.synthetic_cohort import learnable_stays
from tests.support.synthetic_stays import write_parquet


def test_describe_shows_figures_and_findings(trainer: Any, data: Path) -> None:
    result = trainer("describe", "--data", data)
    assert result.code == 0, result.err
    assert all(variable.name in result.out for variable in VARIABLES)
    assert "note: no column `person`" in result.out
    content = json.loads(trainer("describe", "--data", data, "--json").out)
    assert content["stays"]["n_patients"] == 80
    assert set(content["variables"]) == {variable.name for variable in VARIABLES}
    assert {"kind", "name", "text"} == set(content["findings"][0])


def test_describe_and_fit_refuse_what_cannot_be_right(trainer: Any, tmp_path: Path) -> None:
    stays = learnable_stays(80)
    for rows in stays.values():
        septic = max(row["SepsisLabel"] or 0 for row in rows)
        for row in rows:
            row["SepsisLabel"] = septic
    file = write_parquet(tmp_path / "stays.parquet", stays)
    result = trainer("describe", "--data", file)
    assert result.code == 1
    assert "refused: 100% of the septic stays are positive from their first hour" in result.out
    result = trainer("fit", "--data", file, "--out", tmp_path / "out")
    assert result.code == 2
    assert "a label of the stay, not of the hour" in result.err
    assert not (tmp_path / "out").exists()
