"""The assessment of a stay at an evaluation: risks, alert, bedside scores, data quality."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core import alerts, clinical_scores, explain, reference_ranges, state_stepping
from streamer.core.alerts import AlertState, Phase
from streamer.core.hour_ring import RING
from streamer.core.model import Model
from streamer.core.reference_ranges import Direction
from streamer.core.standings import Standing
from streamer.core.state_stepping import Evaluation
from streamer.core.stays import NEVER, Slots, StayTable
from streamer.core.time import HOUR_MS
from streamer.core.variables import FIO2, INDEX

FRESHNESS_VITALS: Final = np.array(
    [INDEX[name] for name in ("heart_rate", "spo2", "temperature", "sbp", "map", "resp_rate")]
)
"""The vital signs that every bed has; the oldest of them tells how fresh the data is."""
EXPECTED: Final = np.array(
    [
        *FRESHNESS_VITALS,
        *(INDEX[n] for n in ("lactate", "wbc", "creatinine", "platelets", "bilirubin_total")),
    ]
)
"""Variables that a clinician wants measured within 24 h before trusting a sepsis risk."""
SHOWN: Final = np.array(
    [
        INDEX[name]
        for name in (
            "heart_rate", "map", "sbp", "resp_rate", "spo2", "temperature", "lactate", "wbc",
        )
    ]
)  # fmt: skip
"""Variables whose newest values a risk message has, for those who show them."""
ROOM_AIR: Final = np.float32(0.21)


class EndReason(StrEnum):
    """Why an alert ended."""

    RISK = "risk"
    DISCHARGE = "discharge"
    NEXT_STAY = "next_stay"
    SILENCE = "silence"

    @property
    def sentence(self) -> str:
        """What it means, for people."""
        return _END_SENTENCES[self]


_END_SENTENCES = {
    EndReason.RISK: "The risk fell clearly below the threshold.",
    EndReason.DISCHARGE: "The patient was discharged.",
    EndReason.NEXT_STAY: "The patient's next stay began without a discharge.",
    EndReason.SILENCE: "No event of the patient came for 15 days.",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason of an alert: a variable, its newest value and what it added to the logit."""

    variable: int
    value: float
    age_ms: int
    direction: Direction
    contribution: float


@dataclass(frozen=True, slots=True)
class Assessments:
    """``n`` evaluations of different stays, an array ``(n,)`` each unless said otherwise.

    Attributes:
        event: the event of the batch that asked for it.
        end_reason: why alerts end; a stay that is left, not measured, says no risk.
        patients: ``n`` patient ids.
        time_ms: the stay's clock: its newest event time.
        bins: the open hour bin.
        risks: ``(n, 3)`` calibrated.
        phase: what happened to the alert, a ``Phase``.
        severity: of the alert that started, escalated or ended.
        alert_start_ms: when the latest alert started.
        alert_number: how many alerts the patient has had.
        news2: -1 where none of its components is known.
        qsofa: -1 likewise.
        hours_of_data: bins since the first observation.
        oldest_vital_ms: age of the oldest vital sign, -1 where none was ever seen.
        missing: ``(n, len(EXPECTED))`` not measured in 24 h.
        shown: ``(n, len(SHOWN))`` newest value of each shown variable, NaN where there is none.
        shown_age_ms: ``(n, len(SHOWN))`` their ages, -1 where there is none.
        causes: for a start or an escalation, by row: the reasons, strongest first.
        forecast: ``(n, 5, 6, 3)`` as ``Model.forecast``, where it was asked for.
        standings: of each alert that started, rose or ended, by row: how people stand to it.
    """

    event: NDArray[np.intp]
    end_reason: EndReason
    patients: list[str]
    time_ms: NDArray[np.int64]
    bins: NDArray[np.int32]
    risks: NDArray[np.float64]
    phase: NDArray[np.uint8]
    severity: NDArray[np.uint8]
    alert_start_ms: NDArray[np.int64]
    alert_number: NDArray[np.int32]
    news2: NDArray[np.int64]
    qsofa: NDArray[np.int64]
    hours_of_data: NDArray[np.int32]
    oldest_vital_ms: NDArray[np.int64]
    missing: NDArray[np.bool_]
    shown: NDArray[np.float32]
    shown_age_ms: NDArray[np.int64]
    causes: dict[int, list[Cause]]
    forecast: NDArray[np.float32] | None = None
    standings: dict[int, Standing] = field(default_factory=dict)

    @property
    def says_risk(self) -> bool:
        """Whether risk messages are due; a stay that is left was not measured."""
        return self.end_reason is EndReason.RISK


def assess(
    table: StayTable,
    model: Model,
    slots: Slots,
    events: NDArray[np.intp],
    *,
    end_reason: EndReason | None = None,
    has_forecast: bool = False,
) -> Assessments:
    """Evaluates stays as they stand, steps their alert state and notes their risks.

    Args:
        table: the stays; alert state and risk of ``slots`` change.
        model: what steps and judges.
        slots: ``(n,)`` distinct stays that have had an observation.
        events: ``(n,)`` the event behind each.
        end_reason: why the stays are left, if they are: alerts end, and nothing was measured.
        has_forecast: whether to forecast vital signs as well; the model must have a head for it.
    """
    evaluation = state_stepping.evaluate(table, model, slots)
    table["risk"][slots] = evaluation.risks
    table.touched[slots] = True
    time_ms = table["newest_ms"][slots]
    before = AlertState(
        table["alert_severity"][slots],
        table["alert_peak"][slots],
        table["alert_start_ms"][slots],
        table["alert_number"][slots],
    )
    in_stay = (table["discharge_ms"][slots] == NEVER) & (end_reason is None)
    after, phase = alerts.step(before, evaluation.risks[:, 0], time_ms, model.policy, in_stay)
    if end_reason is EndReason.DISCHARGE:  # it may be a mistake: what it ended locks nothing out
        after.peak[:] = 0
    table["alert_severity"][slots] = after.severity
    table["alert_peak"][slots] = after.peak
    table["alert_start_ms"][slots] = after.start_ms
    table["alert_number"][slots] = after.number

    last_ms = table["last_ms"][slots]
    known = last_ms != NEVER
    age_ms = np.where(known, time_ms[:, None] - np.where(known, last_ms, 0), -1)
    recent = known & (age_ms <= clinical_scores.VALID_HOURS * HOUR_MS)
    last = np.where(recent, table["last_value"][slots], np.float32(np.nan))
    scored = recent[:, list(clinical_scores.COMPONENTS)].any(axis=1)
    return Assessments(
        event=events,
        end_reason=end_reason or EndReason.RISK,
        patients=table.names(slots),
        time_ms=time_ms,
        bins=table["open_bin"][slots],
        risks=evaluation.risks,
        phase=phase,
        severity=np.where(phase == Phase.END, before.severity, after.severity),
        alert_start_ms=after.start_ms,
        alert_number=after.number,
        news2=np.where(scored, clinical_scores.news2(last, _on_oxygen(table, slots)), -1),
        qsofa=np.where(scored, clinical_scores.qsofa(last), -1),
        hours_of_data=table["open_bin"][slots] - table["first_bin"][slots] + 1,
        oldest_vital_ms=age_ms[:, FRESHNESS_VITALS].max(axis=1),
        missing=~recent[:, EXPECTED],
        shown=table["last_value"][slots[:, None], SHOWN],
        shown_age_ms=age_ms[:, SHOWN],
        causes=_causes(table, model, slots, evaluation, phase, age_ms),
        forecast=model.forecast(evaluation.features, table["provisional_h"][slots][:, -1])
        if has_forecast
        else None,
    )


def _on_oxygen(table: StayTable, slots: Slots) -> NDArray[np.bool_]:
    """Returns whether an FiO2 above room air was charted in the last 24 hour bins."""
    back = np.arange(clinical_scores.VALID_HOURS)
    rows = (table["open_bin"][slots][:, None] - back) % RING
    ring = table.layers["ring"]
    charted: NDArray[np.bool_] = ring.value[ring.at(slots[:, None], rows, FIO2)] > ROOM_AIR
    used: NDArray[np.bool_] = np.logical_or.reduce(charted, axis=1)
    return used


def _causes(
    table: StayTable,
    model: Model,
    slots: Slots,
    evaluation: Evaluation,
    phase: NDArray[np.uint8],
    age_ms: NDArray[np.int64],
) -> dict[int, list[Cause]]:
    rows = np.flatnonzero((phase == Phase.START) | (phase == Phase.ESCALATE))
    if not len(rows):
        return {}
    newest = table["last_value"][slots[rows]]
    added = explain.contributions(model, evaluation, rows, ~np.isnan(newest))
    orders = np.argsort(-added, axis=1, kind="stable")[:, : explain.MOST_REASONS]
    at, rank = np.nonzero(np.take_along_axis(added, orders, axis=1) >= explain.LEAST_CONTRIBUTION)
    variable = orders[at, rank]
    value = newest[at, variable]
    courses = _courses(table, slots[rows[at]], variable, value)
    steady = np.array([course is Direction.NORMAL for course in courses], np.bool_)
    shares = np.zeros(len(at))
    shares[steady] = explain.timing_shares(
        model, evaluation, rows[at[steady]], variable[steady], added[at[steady], variable[steady]]
    )
    causes: dict[int, list[Cause]] = {row: [] for row in rows.tolist()}
    for row, v, number, age, course, share, contribution in zip(
        rows[at].tolist(),
        variable.tolist(),
        value.tolist(),
        age_ms[rows[at], variable].tolist(),
        courses,
        shares.tolist(),
        added[at, variable].tolist(),
        strict=True,
    ):
        shown = Direction.TIMING if share > explain.MOSTLY_TIMING else course
        causes[row].append(Cause(v, number, age, shown, contribution))
    return causes


def _courses(
    table: StayTable, slots: Slots, variables: NDArray[np.intp], values: NDArray[np.float32]
) -> list[Direction]:
    """How the newest values stand; the hour that each was measured in is not its own past."""
    open_bin = table["open_bin"][slots]
    elapsed_ms = table["last_ms"][slots, variables] - table["origin_ms"][slots]
    age_bins = open_bin - elapsed_ms // HOUR_MS
    back = np.arange(clinical_scores.VALID_HOURS)
    rows = (open_bin[:, None] - back) % RING
    ring = table.layers["ring"]
    past = ring.value[ring.at(slots[:, None], rows, variables[:, None])]
    past[back <= age_bins[:, None]] = np.nan
    return reference_ranges.directions(variables, values, past, table.variables)
