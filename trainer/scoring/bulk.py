"""Whole stays through the service's own pass: fold, step, evaluate, decide.

A row becomes the observation that `streamer replay` would send, without a log between. So risks,
alerts, reasons and forecasts are those of the stream, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.alerts import Phase
from streamer.core.assessment import Cause
from streamer.core.columns import Columns, Parsed, PlainCells, to_columns
from streamer.core.events import Fields, Kind
from streamer.core.forecast import FORECAST_VITALS, HOURS, LEVELS
from streamer.core.lstm_network import HORIZONS
from streamer.core.model import Model
from streamer.core.observations import Observation
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.core.time import HOUR_MS
from streamer.core.variables import VariableTable
from streamer.datasets.cohort import Cohort, Progress
from trainer.decisions.alert_replay import alert_on

ADMITTED_MS: Final = 946_684_800_000  # 2000-01-01: risks depend on hours since admission alone
STAYS_AT_ONCE: Final = 512  # some 20,000 hours: a table of 40 MB, and waves as wide as a service's


@dataclass(frozen=True, slots=True)
class ScoredStays:
    """Stays with what the service says of each of their hours; R rows.

    Attributes:
        cohort: these stays.
        variables: those of the model, by which reasons name them.
        risks: (R, 3) calibrated, of the horizons.
        phase: (R,) the ``Phase`` of the alert.
        severity: (R,) index in ``SEVERITIES`` of the alert that is on after the row; 0 without.
        causes: by row, the reasons of an alert that starts or escalates, strongest first.
        forecast: (R, 5, 6, 3) as ``Model.forecast``, where it was asked for.
    """

    cohort: Cohort
    variables: VariableTable
    risks: NDArray[np.float64]
    phase: NDArray[np.uint8]
    severity: NDArray[np.uint8]
    causes: dict[int, list[Cause]]
    forecast: NDArray[np.float32] | None


def score(
    model: Model, cohort: Cohort, *, forecast: bool = False, progress: Progress | None = None
) -> Iterator[ScoredStays]:
    """Scores stays, some hundreds at a time, in their order.

    Args:
        model: scores them.
        cohort: the stays; labels are not looked at.
        forecast: whether vital signs are forecast, too; the model must have a head for it.
        progress: called with (stays done, of).
    """
    for first in range(0, len(cohort), STAYS_AT_ONCE):
        block = cohort.take(np.arange(first, min(first + STAYS_AT_ONCE, len(cohort))))
        yield _score(model, block, forecast)
        if progress is not None:
            progress(first + len(block), len(cohort))


def _score(model: Model, cohort: Cohort, forecast: bool) -> ScoredStays:
    columns, rows = _columns(cohort, model.variables)
    # Each row is the first event of its hour, so each is evaluated, with a value or without.
    table = StayTable(model.architecture, variables=model.variables)
    scorer = Scorer(model, table, HOUR_MS, forecast)
    outcome = scorer.score(columns, [0] * len(rows))
    n = cohort.n_rows
    risks = np.full((n, len(HORIZONS)), np.nan)
    phase, changed = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    shape = (n, len(FORECAST_VITALS), len(HOURS), len(LEVELS))
    ahead = np.full(shape, np.nan, np.float32) if forecast else None
    causes: dict[int, list[Cause]] = {}
    for wave in outcome.assessments:
        if not wave.says_risk:
            continue  # a stay that is long over was let go
        at = rows[wave.event]
        risks[at], phase[at], changed[at] = wave.risks, wave.phase, wave.severity
        causes |= {int(at[row]): reasons for row, reasons in wave.causes.items()}
        if ahead is not None:
            ahead[at] = wave.forecast
    on = _on(cohort, phase, changed)
    return ScoredStays(cohort, model.variables, risks, phase, on, causes, ahead)


def _on(cohort: Cohort, phase: NDArray[np.uint8], severity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(R,) severity of the alert that is on after each row, from those of its changes."""
    latest = np.maximum.accumulate(np.where(phase != Phase.NONE, np.arange(cohort.n_rows), -1))
    return np.where(alert_on(phase, cohort.starts), severity[latest], 0).astype(np.uint8)


def _columns(cohort: Cohort, variables: VariableTable) -> tuple[Columns, NDArray[np.int64]]:
    """The events of stays in the order of time, and the row of each; -1 of an admission."""
    n, n_rows = len(cohort), cohort.n_rows
    time_ms = np.concatenate([np.zeros(n), (cohort.iculos.astype(np.int64) - 1) * HOUR_MS])
    kind = np.repeat([Kind.ADMISSION, Kind.OBSERVATION], [n, n_rows]).astype(np.uint8)
    stay = np.concatenate([np.arange(n), cohort.patient_of_row])
    order = np.lexsort((stay, kind != Kind.ADMISSION, time_ms))
    kind, stay = kind[order], stay[order]
    rows = np.concatenate([np.full(n, -1), np.arange(n_rows)])[order]
    is_row = rows >= 0
    values = np.full((len(rows), len(variables)), np.nan, np.float32)
    values[is_row] = cohort.values_of(variables)[rows[is_row]]
    event, measured = np.nonzero(~np.isnan(values))
    cells = PlainCells(event, measured.astype(np.int16), values[event, measured].astype(np.float64))
    times = ADMITTED_MS + time_ms[order].astype(np.int64)
    nothing: dict[str, float | None] = {}
    parsed = Parsed(
        [
            Observation(cohort.patient_ids[i], time, nothing)
            for i, time in zip(stay.tolist(), times.tolist(), strict=True)
        ],
        np.arange(len(rows)),
        times,
        times,
        kind,
        {int(e): _particulars(cohort, int(stay[e])) for e in np.flatnonzero(~is_row)},
        cells=cells,
    )
    return to_columns(parsed, variables), rows


def _particulars(cohort: Cohort, stay: int) -> Fields:
    """The fields of an admission; what is unknown is left out."""
    numbers = {
        "age": float(cohort.age[stay]),
        "hours_since_hospital_admission": float(cohort.hours_since_hospital_admission[stay]),
    }
    known = {name: number for name, number in numbers.items() if np.isfinite(number)}
    return {**known, "sex": str(cohort.sex[stay]), "icu_type": str(cohort.icu_type[stay])}
