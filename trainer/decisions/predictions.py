"""What a model says of every hour of a cohort, offline: the same numbers as the stream's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streamer.core.model import Model
from streamer.core.network import HORIZONS
from streamer.datasets.cohort import Cohort, Progress
from trainer.data.batches import by_length
from trainer.decisions.alert_replay import alert_starts
from trainer.metrics.measures import Scored


def cohort_logits(
    model: Model,
    cohort: Cohort,
    built: NDArray[np.float32],
    stays: NDArray[np.int64],
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """Runs whole stays, similar lengths together.

    Args:
        model: what scores.
        cohort: the stays.
        built: (R, F) raw features of the cohort, as ``dataset.build_features``.
        stays: which ones to run.
        progress: called with stays done and stays in all.

    Returns:
        (R, 3) logits, NaN in the rows of other stays.
    """
    logits = np.full((cohort.n_rows, len(HORIZONS)), np.nan)
    done = 0
    for batch in by_length(cohort, stays):
        logits[batch.rows[batch.real]] = model.logits(built[batch.rows])[batch.real]
        done += batch.rows.shape[1]
        if progress is not None:
            progress(done, len(stays))
    return logits


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model said of some stays of a cohort; R rows.

    Attributes:
        cohort: these stays alone.
        risks: (R, 3) calibrated.
        threshold: above it the 6 h risk is positive.
        alert_starts: (R,) where an alert starts.
    """

    cohort: Cohort
    risks: NDArray[np.float64]
    threshold: float
    alert_starts: NDArray[np.bool_]

    @property
    def positive(self) -> NDArray[np.bool_]:
        """(R,) whether the 6 h risk is above the threshold."""
        return np.asarray(self.risks[:, 0] > self.threshold)

    def scored(self) -> Scored:
        """The same, as what figures are made from."""
        return Scored(
            self.cohort.patient_ids,
            self.cohort.starts,
            self.cohort.label,
            self.risks[:, 0],
            self.positive,
            self.alert_starts,
        )

    def write(self, file: Path) -> None:
        """Writes a parquet file with the columns ``patient, hour (ICULOS), risk, positive``."""
        patients = np.repeat(np.array(self.cohort.patient_ids, object), self.cohort.lengths)
        columns = {
            "patient": pa.array(patients, pa.string()),
            "hour": pa.array(self.cohort.iculos, pa.int32()),
            "risk": pa.array(self.risks[:, 0], pa.float64()),
            "positive": pa.array(self.positive, pa.bool_()),
        }
        pq.write_table(pa.table(columns), file)


def predict(
    model: Model,
    cohort: Cohort,
    built: NDArray[np.float32],
    stays: NDArray[np.int64],
    progress: Progress | None = None,
) -> Predictions:
    """Scores these stays of a cohort; arguments as ``cohort_logits``."""
    logits = cohort_logits(model, cohort, built, stays, progress)
    side = cohort.take(stays)
    risks = model.risks(logits[cohort.rows_of(stays)])
    return Predictions(
        side, risks, model.threshold, alert_starts(risks[:, 0], side.starts, model.policy)
    )
