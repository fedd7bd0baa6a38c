"""A cohort with something to learn: septic stays show it before their label does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.synthetic_stays import Row, stay, write_parquet
from trainer.training.recipe import Recipe

QUICK = Recipe(
    teacher_rounds=5,
    encoder=8,
    binned=4,
    reading_epochs=5,
    batch_hours=128,
    hidden=8,
    epochs=3,
    batch_stays=16,
    dropout=0.1,
)
"""Seconds on one core; salt and fractions as always."""

# Learns these stays (AUROC 0.99) in a second; the rest of a fit's time starts and draws.
KNOBS = (
    "teacher_share=0", "encoder=8", "reading_epochs=8", "batch_hours=128", "hidden=8", "epochs=2",
    "forecast_epochs=1",
)  # fmt: skip


def learnable_stays(n_stays: int, seed: int = 0, first_id: int = 0) -> dict[str, list[Row]]:
    """Stays by patient id, of both hospitals; 40 % are septic: fast pulse, fever, high lactate."""
    draws = np.random.default_rng(seed)
    stays = {}
    for i in range(first_id, first_id + n_stays):
        hours = int(draws.integers(14, 40))
        onset = hours - 9 if draws.random() < 0.4 else None
        values: dict[int, Row] = {}
        for hour in range(hours):
            ill = 0.0 if onset is None else min(max((hour - onset + 8) / 8, 0.0), 1.0)
            row: Row = {"HR": round(80 + 40 * ill + draws.normal(0, 6), 1)}
            if draws.random() < 0.9:
                row["Temp"] = round(36.8 + 1.8 * ill + draws.normal(0, 0.3), 1)
            if draws.random() < 0.2:
                row["Lactate"] = round(1.2 + 3 * ill + abs(draws.normal(0, 0.3)), 1)
            values[hour] = row
        context: Row = {"Age": float(draws.integers(20, 90)), "Gender": int(draws.integers(0, 2))}
        first_hour = int(draws.integers(1, 4))
        stays[f"p{i % 2}{i:05}"] = stay(hours, onset, first_hour, context, values)
    return stays


def learnable_file(folder: Path, n_stays: int = 80, seed: int = 0, first_id: int = 0) -> Path:
    """The same as a parquet file."""
    file = folder / f"stays-{n_stays}-{seed}-{first_id}.parquet"
    write_parquet(file, learnable_stays(n_stays, seed, first_id))
    table: Any = pq.read_table(file)
    sites = ["AB"[int(patient[1])] for patient in table["patient"].to_pylist()]
    # Their ids are written as the public ones, and their content says that they are others.
    pq.write_table(table.append_column("site", pa.array(sites)), file)
    return file
