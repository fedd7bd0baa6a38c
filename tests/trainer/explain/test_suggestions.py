from __future__ import annotations

from pathlib import Path

import numpy as np

from streamer.datasets.physionet2019 import read_2019
from tests.support.synthetic_stays import stay, write_parquet
from trainer.decisions.predictions import Predictions
from trainer.explain.suggestions import Kind, suggest


def test_stays_of_each_kind_are_suggested(tmp_path: Path) -> None:
    hours = 30
    stays = {name: stay(hours, 20 if name[1] == "s" else None) for name in ("xs1", "xs2", "xn1")}
    stays |= {"xn2": stay(hours), "xn3": stay(hours + 1), "xs3": stay(3, 0)}
    cohort = read_2019([write_parquet(tmp_path / "s.parquet", stays)])
    alert_starts = np.zeros(cohort.n_rows, np.bool_)
    for patient in ("xs1", "xn1"):
        alert_starts[cohort.rows(cohort.patient_ids.index(patient)).start + 10] = True
    risks = np.repeat(np.linspace(0.01, 0.02, cohort.n_rows)[:, None], 3, axis=1)
    suggestions = suggest(Predictions(cohort, risks, 0.5, alert_starts, alert_starts), 1)
    assert [(stay.kind, stay.patient) for stay in suggestions] == [
        (Kind.FORESEEN, "xs1"),
        (Kind.MISSED, "xs2"),
        (Kind.FALSE_ALARM, "xn1"),
        (Kind.QUIET, "xn3"),  # the longer of two
    ]
    assert (suggestions[0].onset_hour, suggestions[0].lead_hours) == (27, 16)
    assert (suggestions[1].lead_hours, suggestions[2].onset_hour) == (None, None)
