from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.comparison import Compared
from trainer.compare.protocol.results import Entry


def test_an_entry_comes_back_as_it_was_kept(compared: Compared, tmp_path: Path) -> None:
    findings = compared.findings
    entry = findings.families[0].entry
    file = tmp_path / "entry.parquet"
    entry.save(file, findings.held_out, {"data": "1", "candidates": [{"n": 1}]})
    kept = Entry.load(file, {"data": "1", "candidates": [{"n": 1}]})
    assert kept is not None
    np.testing.assert_array_equal(kept.score, entry.score)
    assert replace(kept, score=entry.score, operating_point=entry.operating_point) == entry
    before, after = entry.on_test(findings.held_out), kept.on_test(findings.held_out)
    np.testing.assert_array_equal(after.risk, before.risk)
    np.testing.assert_array_equal(after.positive, before.positive)
    np.testing.assert_array_equal(after.alert_starts, before.alert_starts)
    assert Entry.load(file, {"data": "2", "candidates": [{"n": 1}]}) is None
    assert Entry.load(tmp_path / "none.parquet", {}) is None
    foreign = pa.table({"score": [1.0]}).replace_schema_metadata({b"vigil": b"{}"})
    pq.write_table(foreign, file)
    assert Entry.load(file, {"data": "1"}) is None
