"""Suggests stays that are worth an explanation: foreseen, missed, false alarm, quiet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.bundle import Bundle
from streamer.datasets.cohort import Cohort
from trainer.data.labels import onset_rows
from trainer.data.split_rules import rule_of
from trainer.decisions.predictions import Predictions
from trainer.metrics.definitions import lead_hours

LEAST_HOURS: Final = 12
"""A shorter stay has no course to look at, and onset in the first hours cannot be foreseen."""

LONG_LEAD_HOURS: Final = 6
"""The challenge's label begins this long before onset; an earlier alert was not taught by it."""


class Kind(StrEnum):
    """The outcome of a stay, with the order in which examples are suggested."""

    FORESEEN = "foreseen"
    """Septic, with an alert 6 to 48 hours before onset; the highest peak risk first."""
    MISSED = "missed"
    """Septic, without an alert; the lowest peak risk first."""
    FALSE_ALARM = "false alarm"
    """Not septic, with an alert; the highest peak risk first."""
    QUIET = "quiet"
    """Not septic, without an alert; the longest first."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A stay to look at.

    Attributes:
        kind: outcome of the stay.
        patient: id.
        hours: length of the stay.
        onset_hour: hours since ICU admission, ``None`` without sepsis.
        lead_hours: from the first alert that foresaw onset to onset, ``None`` without one.
        highest_risk: peak of the calibrated risk of onset within 6 h.
    """

    kind: Kind
    patient: str
    hours: int
    onset_hour: int | None
    lead_hours: int | None
    highest_risk: float


def unseen_stays(bundle: Bundle, cohort: Cohort) -> NDArray[np.int64]:
    """Indices of validation patients of the bundle's own split; of all stays if there are none.

    The bundle was not fitted on validation patients, and test patients are not looked at.
    """
    split = bundle.manifest.get("split")
    if isinstance(split, dict) and "file_sha256" not in split:
        stays = rule_of(split).split(cohort).validation
        if len(stays):
            return stays
    return np.arange(len(cohort))


def suggest(predictions: Predictions, n: int) -> list[Suggestion]:
    """At most ``n`` stays of each kind, from the predictions of a model."""
    cohort = predictions.cohort
    first = cohort.starts[:-1]
    onset = onset_rows(cohort.label, cohort.starts)
    lead = lead_hours(predictions.alert_starts, cohort.label, cohort.starts)
    highest = np.maximum.reduceat(predictions.risks[:, 0], first)
    alerted = np.logical_or.reduceat(predictions.alert_starts, first)
    long = cohort.lengths >= LEAST_HOURS
    septic = cohort.septic & (onset >= LEAST_HOURS)
    suggestions = []
    for kind, belongs, rank in (
        (Kind.FORESEEN, septic & (lead >= LONG_LEAD_HOURS), -highest),
        (Kind.MISSED, septic & ~alerted, highest),
        (Kind.FALSE_ALARM, ~cohort.septic & alerted, -highest),
        (Kind.QUIET, ~cohort.septic & ~alerted, -cohort.lengths),
    ):
        stays = np.flatnonzero(belongs & long)
        for stay in stays[np.argsort(rank[stays], kind="stable")][:n].tolist():
            hour = int(cohort.iculos[first[stay]])
            suggestions.append(
                Suggestion(
                    kind=kind,
                    patient=cohort.patient_ids[stay],
                    hours=int(cohort.lengths[stay]),
                    onset_hour=int(hour + onset[stay]) if np.isfinite(onset[stay]) else None,
                    lead_hours=int(lead[stay]) if np.isfinite(lead[stay]) else None,
                    highest_risk=float(highest[stay]),
                )
            )
    return suggestions
