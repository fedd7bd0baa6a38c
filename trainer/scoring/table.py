"""Scored stays as a table: a row an hour, in CSV or parquet, written as they are scored."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from streamer.core.alert_messages import reason_content
from streamer.core.alerts import SEVERITIES, Phase
from streamer.core.forecast import DIGITS, FORECAST_VITALS, HOURS
from streamer.core.lstm_network import HORIZONS
from trainer.atomic import write_atomically
from trainer.scoring.bulk import ScoredStays

SUFFIXES: Final = (".csv", ".parquet")
_QUANTILES: Final = ("low", "median", "high")
_PHASES: Final = np.array([None, *(phase.name.lower() for phase in Phase if phase)], object)


def as_table(scored: ScoredStays, threshold: float) -> pa.Table:
    """The table of scored stays.

    Columns: ``patient``; ``hour`` (ICULOS); ``risk_6h``, ``risk_24h``, ``risk_48h``; ``positive``;
    ``alert`` (`start`, `escalate`, `end`, or empty); ``severity`` of the alert that is on;
    ``reasons``, JSON as in an alert's message, empty where none starts or escalates; with a
    forecast ``heart_rate_1h_low`` and so on.

    Args:
        scored: the stays.
        threshold: above which a risk is positive.
    """
    cohort, variables = scored.cohort, scored.variables
    patients = np.repeat(np.array(cohort.patient_ids, object), cohort.lengths)
    reasons = [
        json.dumps([reason_content(c, variables) for c in scored.causes[row]], ensure_ascii=False)
        if row in scored.causes
        else None
        for row in range(cohort.n_rows)
    ]
    columns: dict[str, Any] = {
        "patient": pa.array(patients, pa.string()),
        "hour": pa.array(cohort.iculos, pa.int32()),
        **{f"risk_{name}": pa.array(scored.risks[:, i]) for i, name in enumerate(HORIZONS)},
        "positive": pa.array(scored.risks[:, 0] > threshold),
        "alert": pa.array(_PHASES[scored.phase], pa.string()),
        "severity": pa.array(np.array(SEVERITIES, object)[scored.severity], pa.string()),
        "reasons": pa.array(reasons, pa.string()),
    }
    if scored.forecast is not None:
        for vital, (name, digits) in enumerate(zip(FORECAST_VITALS, DIGITS, strict=True)):
            for hour, ahead in enumerate(HOURS):
                for level, quantile in enumerate(_QUANTILES):
                    values = scored.forecast[:, vital, hour, level].astype(np.float64)
                    columns[f"{name}_{ahead}h_{quantile}"] = pa.array(
                        values.round(digits), from_pandas=True
                    )
    return pa.table(columns)


def write(scored: Iterable[ScoredStays], threshold: float, file: Path) -> None:
    """Writes a file, ``.csv`` or ``.parquet``, whole or not at all.

    Args:
        scored: the stays; at least one block of them.
        threshold: above which a risk is positive.
        file: its suffix decides the form.
    """
    writer: Any = None
    with write_atomically(file) as content:
        for block in scored:
            table = as_table(block, threshold)
            if writer is None:
                make: Any = pa.csv.CSVWriter if file.suffix == SUFFIXES[0] else pq.ParquetWriter
                writer = make(content, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
