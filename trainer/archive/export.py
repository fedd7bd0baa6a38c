"""`trainer archive export`: labelled stays as a PhysioNet 2019 file, for the replay and others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamer.datasets.cohort import Cohort
from streamer.datasets.physionet2019_rows import LABEL_COLUMN, VALUE_COLUMNS
from trainer.atomic import write_atomically


def export(cohort: Cohort, file: Path) -> None:
    """Writes stays as one parquet file; values are those that training sees: cleaned."""
    lengths = cohort.lengths
    sex = np.select([cohort.sex == "female", cohort.sex == "male"], [0.0, 1.0], np.nan)
    known = (cohort.icu_type == "medical") | (cohort.icu_type == "surgical")
    units = {
        "Unit1": np.where(known, cohort.icu_type == "medical", np.nan),
        "Unit2": np.where(known, cohort.icu_type == "surgical", np.nan),
    }
    context = {
        "Age": cohort.age,
        "Gender": sex,
        **units,
        "HospAdmTime": -cohort.hours_since_hospital_admission,
    }
    columns: dict[str, Any] = {
        "patient": pa.array(np.repeat(np.array(cohort.patient_ids, np.str_), lengths)),
    }
    for i, name in enumerate(VALUE_COLUMNS):
        columns[name] = pa.array(np.ascontiguousarray(cohort.values[:, i]), from_pandas=True)
    for name, of_stay in context.items():
        repeated = np.repeat(of_stay.astype(np.float32), lengths)
        columns[name] = pa.array(repeated, from_pandas=True)
    columns["ICULOS"] = pa.array(cohort.iculos)
    columns[LABEL_COLUMN] = pa.array(cohort.label)
    with write_atomically(file) as content:
        pq.write_table(pa.table(columns), content, compression="zstd")
