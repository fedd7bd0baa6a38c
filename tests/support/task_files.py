"""Invented stays in the forms that the task files of `docs/tasks` read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from streamer.core.variables import INDEX
from streamer.datasets.cohort import Cohort

NEW_VARIABLES: dict[str, object] = {
    "procalcitonin": {
        "unit": "ng/mL", "low": 0.0, "high": 500.0, "reference": [0.0, 0.5], "loinc": "33959-8",
        "conversions": {"nmol/L": 13.0}, "log_scale": True,
    },
    "sodium": {"unit": "mmol/L", "low": 80, "high": 200, "reference": [135, 145]},
}  # fmt: skip
"""Two that are none of the 34."""
TASKS = Path(__file__).parents[2] / "docs" / "tasks"
YAIB_DYNAMIC = [
    *("alb", "alp", "alt", "ast", "be", "bicar", "bili", "bili_dir", "bnd", "bun", "ca", "cai"),
    *("ck", "ckmb", "cl", "crea", "crp", "dbp", "fgn", "fio2", "glu", "hgb", "hr", "inr_pt", "k"),
    *("lact", "lymph", "map", "mch", "mchc", "mcv", "methb", "mg", "na", "neut", "o2sat", "pco2"),
    *("ph", "phos", "plt", "po2", "ptt", "resp", "sbp", "temp", "tnt", "urine", "wbc"),
]
"""The columns of `dyn.parquet`, as that project's configuration of its tasks lists them."""
YAIB_MEASURED = {"hr": "heart_rate", "temp": "temperature", "lact": "lactate"}


def write_yaib(folder: Path, cohort: Cohort, *, of_stay: bool = False) -> Path:
    """Writes dyn, sta and outc parquet of a cohort, hours as durations; CRP is 10 times lactate."""
    folder.mkdir()
    stay = [int(cohort.patient_ids[i][1:]) for i in cohort.patient_of_row]
    time = pa.array([timedelta(hours=int(hour) - 1) for hour in cohort.iculos], pa.duration("us"))
    dyn: dict[str, object] = {"stay_id": stay, "time": time}
    dyn |= {column: pa.nulls(cohort.n_rows, pa.float64()) for column in YAIB_DYNAMIC}
    for column, name in YAIB_MEASURED.items():
        dyn[column] = cohort.values[:, INDEX[name]].astype(np.float64)
    dyn["crp"] = 10 * cohort.values[:, INDEX["lactate"]].astype(np.float64)  # none of the 34
    pq.write_table(pa.table(dyn), folder / "dyn.parquet")
    ids = [int(patient[1:]) for patient in cohort.patient_ids]
    sex = [str(word).capitalize() for word in cohort.sex]
    height = weight = pa.nulls(len(ids), pa.float64())
    static = {"stay_id": ids, "age": cohort.age.astype(np.float64), "sex": sex,
              "height": height, "weight": weight}  # fmt: skip
    pq.write_table(pa.table(static), folder / "sta.parquet")
    outcome: dict[str, object] = {"stay_id": stay, "time": time, "label": cohort.label == 1}
    if of_stay:
        outcome = {"stay_id": ids, "label": cohort.septic}
    pq.write_table(pa.table(outcome), folder / "outc.parquet")
    return folder


def write_own(file: Path, cohort: Cohort) -> Path:
    """Writes the table of ``our-icu.toml``: as CSV with semicolons, or as parquet."""
    first = np.array([cohort.label[cohort.rows(i)].argmax() for i in range(len(cohort))])
    hours = cohort.iculos[cohort.starts[:-1] + first] - 1 + 6
    onset = np.where(cohort.septic, hours, np.nan)
    whose = cohort.patient_of_row
    value = cohort.values.astype(np.float64)
    table: Any = pa.table(
        {
            "stay": [cohort.patient_ids[i] for i in whose],
            "hours_since_admission": cohort.iculos - 1 + 0.25,
            "mrn": [f"m{i // 2}" for i in whose.tolist()],
            "unit": ["north" if i % 2 else "south" for i in whose.tolist()],
            "admitted": [f"2022-0{1 + i % 9}-01" for i in whose.tolist()],
            "age": cohort.age[whose].astype(np.float64),
            "sex": [{"female": "w", "male": "m"}.get(str(s), "") for s in cohort.sex[whose]],
            "sepsis_hour": pa.array(onset[whose], from_pandas=True),
            "HF": pa.array(value[:, INDEX["heart_rate"]], from_pandas=True),
            "MAD": pa.nulls(cohort.n_rows, pa.float64()),
            "SpO2": pa.nulls(cohort.n_rows, pa.float64()),
            "Temp": pa.array(value[:, INDEX["temperature"]] * 9 / 5 + 32, from_pandas=True),
            "Krea": pa.nulls(cohort.n_rows, pa.float64()),
            "Laktat": pa.array(value[:, INDEX["lactate"]], from_pandas=True),
        }
    )
    if file.suffix == ".parquet":
        pq.write_table(table, file)
    else:
        options = pyarrow.csv.WriteOptions(delimiter=";")
        pyarrow.csv.write_csv(table, file, options)
    return file
