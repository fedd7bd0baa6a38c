"""A model's risks and decisions for every hour of a dataset, offline, and their figures.

The numbers are those of the stream: the same features, network, calibration and alert rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streamer.bundles.manifest import Figures
from streamer.core.alerts import Phase
from streamer.core.lstm_network import HORIZONS
from streamer.core.model import Model
from streamer.datasets.cohort import Cohort, Progress
from trainer.data.batches import by_length
from trainer.data.dataset import Dataset
from trainer.decisions.alert_replay import alert_on, alert_phases
from trainer.metrics.definitions import Scored
from trainer.metrics.evaluation_json import report
from trainer.metrics.subgroups import subgroups


def cohort_logits(
    model: Model, dataset: Dataset, progress: Progress | None = None
) -> NDArray[np.float64]:
    """Runs whole stays, similar lengths together.

    Args:
        model: gives the logits.
        dataset: the stays to run.
        progress: called with stays done and stays in all.

    Returns:
        (R, 3) logits of the three horizons, NaN in the rows of other stays of the cohort.
    """
    logits = np.full((dataset.cohort.n_rows, len(HORIZONS)), np.nan)
    done = 0
    for batch in by_length(dataset.cohort, dataset.stays):
        seen = dataset.seen_by(model.variables, batch.rows)
        logits[batch.rows[batch.real]] = model.logits(seen)[batch.real]
        done += batch.rows.shape[1]
        if progress is not None:
            progress(done, len(dataset.stays))
    return logits


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's risks and decisions for some stays; R rows.

    Attributes:
        cohort: these stays alone.
        risks: (R, 3) calibrated.
        threshold: above it the 6 h risk is positive.
        alert_starts: (R,) where an alert starts.
        alert_on: (R,) where a stay is under an alert.
    """

    cohort: Cohort
    risks: NDArray[np.float64]
    threshold: float
    alert_starts: NDArray[np.bool_]
    alert_on: NDArray[np.bool_]

    @property
    def positive(self) -> NDArray[np.bool_]:
        """(R,) whether the 6 h risk is above the threshold."""
        return np.asarray(self.risks[:, 0] > self.threshold)

    def scored(self) -> Scored:
        """The same, as the metrics take it."""
        return Scored(
            self.cohort.patient_ids,
            self.cohort.starts,
            self.cohort.label,
            self.risks[:, 0],
            self.positive,
            self.alert_starts,
            self.alert_on,
            self.cohort.sites,
            self.cohort.owners,
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


def predict(model: Model, dataset: Dataset, progress: Progress | None = None) -> Predictions:
    """Scores the stays of a dataset; arguments as ``cohort_logits``."""
    logits = cohort_logits(model, dataset, progress)
    part = dataset.part
    risks = model.risks(logits[dataset.rows])
    phases = alert_phases(risks[:, 0], part.starts, model.policy)
    return Predictions(
        part, risks, model.threshold, phases == Phase.START, alert_on(phases, part.starts)
    )


def figures_of(
    predictions: Predictions,
    model: Model,
    model_id: str,
    n_bootstrap: int = 0,
    progress: Progress | None = None,
) -> Figures:
    """The object of ``trainer evaluate --json`` for a model's predictions.

    Args:
        predictions: of ``model``.
        model: gives the thresholds that are reported.
        model_id: id of its bundle.
        n_bootstrap: replicates of the intervals; 0 for none.
        progress: called with (replicates done, of).
    """
    return report(
        predictions.scored(),
        threshold=model.threshold,
        alert_threshold=model.policy.medium,
        model=model_id,
        n_bootstrap=n_bootstrap,
        progress=progress,
    )


def subgroup_figures(
    predictions: Predictions,
    model: Model,
    n_bootstrap: int = 0,
    progress: Progress | None = None,
) -> dict[str, Figures]:
    """The same for each sex, age band and unit with enough septic stays, by its name."""
    scored = predictions.scored()
    by_group = {}
    for name, stays in subgroups(predictions.cohort).items():
        figures = report(
            scored.take(stays),
            threshold=model.threshold,
            alert_threshold=model.policy.medium,
            model="",
            n_bootstrap=n_bootstrap,
            progress=progress,
        )
        by_group[name] = {
            key: value
            for key, value in figures.items()
            if key not in ("by_site", "model", "threshold", "alert_threshold")
        }
    return by_group


def without_id(figures: Figures) -> Figures:
    """The figures for a manifest: a bundle's id is a hash of it, so it cannot name the bundle."""
    by_site = {
        name: {key: value for key, value in part.items() if key != "model"}
        for name, part in figures["by_site"].items()
    }
    return {key: value for key, value in figures.items() if key != "model"} | {"by_site": by_site}
