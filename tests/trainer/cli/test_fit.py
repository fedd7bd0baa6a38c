from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from streamer.bundles import bundle as bundles
from tests.trainer.metrics.test_evaluation_json import CONTRACT

QUICK = ["--set", "hidden=8", "--set", "batch_stays=16", "--epochs", "2", "--bootstrap", "5"]
SALT = ["--salt", "g"]  # of the few test patients that do not decide two are septic


def test_fit_reports_every_fault_at_once_and_touches_nothing(trainer: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    words = ["--data", "/none/1", "--data", "/none/2", "--out", file, "--against", tmp_path]
    result = trainer("fit", *words, "--set", "size=3", "--epochs", "0", "--set", "dropout=2")
    assert result.code == 2
    for fault in ("/none/1", "/none/2", f"--out {file}", f"--against {tmp_path}", "knob size"):
        assert fault in result.err
    assert "epochs must be" in result.err
    assert "dropout must be" in result.err
    assert "Traceback" not in result.err
    assert sorted(tmp_path.iterdir()) == [file]


def test_fit_then_evaluate_then_compare(trainer: Any, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fitted = trainer("fit", "--data", data, "--out", out, "--threads", "1", *QUICK, *SALT)
    assert fitted.code == 0, fitted.err
    model = bundles.load(out / "bundle").model_id
    assert model[:12] in fitted.out
    assert "epoch 2" in fitted.err  # progress goes to standard error, as plain lines
    file = tmp_path / "p.parquet"
    result = trainer(
        "evaluate", "--model", out / "bundle", "--data", data, "--json", "--predictions", file
    )
    figures = json.loads(result.out)
    assert set(figures) >= CONTRACT | {"by_site"}
    assert figures["model"] == model
    assert "warning" in result.err
    table: Any = pq.read_table(file)
    assert table.num_rows == figures["n_rows"]
    words = ["--against", out / "bundle", "--seed", "1", "--threads", "1", *QUICK, *SALT]
    again = trainer("fit", "--data", data, "--out", tmp_path / "2", *words)
    assert again.code == 0, again.err
    comparison = json.loads((tmp_path / "2" / "comparison.json").read_text())
    assert comparison["champion"] == model
    assert f"better than {model[:12]}" in again.out
