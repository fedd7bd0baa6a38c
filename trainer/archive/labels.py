"""Labels of archived stays, from outcomes alone; verdicts and scores are never labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streamer.core.time import DAY_MS, HOUR_MS
from trainer.archive.arrow import listed, times_ms
from trainer.archive.message_rows import OUTCOME_TYPES

LABEL_LEAD_HOURS: Final = 6
KEPT_AFTER_ONSET_HOURS: Final = 3
"""Public records stop there. Live stays go on for days under treatment, and would be mostly
positive."""
MATURE_HOURS: Final = 72
SLACK_MS: Final = DAY_MS
"""An outcome names its stay by a time from a day before admission to a day after discharge."""

ONSET, NO_SEPSIS, UNKNOWN = OUTCOME_TYPES


class Outcome(NamedTuple):
    """What was said of one stay; ``decided_ms`` and ``order`` say which of several counts."""

    kind: str
    time_ms: int
    decided_ms: int
    order: tuple[str, int, int]


class Span(NamedTuple):
    """A stay as far as labels go: whose, from when to when, its first bin and its hours."""

    patient: str
    origin_ms: int
    end_ms: int
    first_bin: int
    hours: int


@dataclass(frozen=True, slots=True)
class StayLabel:
    """The label of one stay: the hours that are kept, and the first positive one among them.

    ``positive_from`` is counted from the first row; ``None`` without sepsis.
    """

    hours: int
    positive_from: int | None


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of stays, and what could not be used.

    Attributes:
        of_stay: a label for each stay, ``None`` where nothing vouches for one.
        n_unmatched: outcomes of no stay.
        n_future: outcomes that are ahead of the log.
    """

    of_stay: list[StayLabel | None]
    n_unmatched: int
    n_future: int


def outcomes_of(rows: pa.Table) -> dict[str, list[Outcome]]:
    """Outcomes by patient from rows of ``outcomes``."""
    by_patient: dict[str, list[Outcome]] = defaultdict(list)
    columns = [
        listed(rows, name)
        for name in ("patient", "type", "refused", "topic_id", "partition", "offset")
    ]
    times = [times_ms(rows, name).tolist() for name in ("time", "decided", "logged")]
    for patient, kind, refused, topic_id, partition, offset, time_ms, decided_ms, logged_ms in zip(
        *columns, *times, strict=True
    ):
        if refused is None:
            order = (topic_id, partition, offset)
            outcome = Outcome(kind, time_ms, decided_ms or logged_ms, order)
            by_patient[patient].append(outcome)
    return by_patient


def label_stays(stays: Sequence[Span], outcomes: dict[str, list[Outcome]], now_ms: int) -> Labels:
    """Labels stays.

    Args:
        stays: of any patients, in any order.
        outcomes: by patient.
        now_ms: the log's own time; an outcome that is ahead of it waits.
    """
    matched: dict[int, list[Outcome]] = defaultdict(list)
    n_unmatched = n_future = 0
    of_patient: dict[str, list[int]] = defaultdict(list)
    for i, stay in enumerate(stays):
        of_patient[stay.patient].append(i)
    for patient, spoken in outcomes.items():
        for outcome in spoken:
            if outcome.time_ms > now_ms or outcome.decided_ms > now_ms:
                n_future += 1
                continue
            index = _stay_of(outcome, ((i, stays[i]) for i in of_patient[patient]))
            if index is None:
                n_unmatched += 1
            else:
                matched[index].append(outcome)
    labels = [_label(stay, matched[i]) for i, stay in enumerate(stays)]
    return Labels(labels, n_unmatched, n_future)


def label_column(label: StayLabel) -> NDArray[np.int8]:
    """(hours,) the challenge's label of the hours that are kept."""
    column = np.zeros(label.hours, np.int8)
    if label.positive_from is not None:
        column[label.positive_from :] = 1
    return column


def _stay_of(outcome: Outcome, stays: Iterable[tuple[int, Span]]) -> int | None:
    """The stay that an outcome names: of several within its reach the one that began last."""
    within = [
        (stay.origin_ms, i)
        for i, stay in stays
        if stay.origin_ms - SLACK_MS <= outcome.time_ms <= stay.end_ms + SLACK_MS
    ]
    holding = [(origin_ms, i) for origin_ms, i in within if origin_ms <= outcome.time_ms]
    if holding:
        return max(holding)[1]
    return min(within)[1] if within else None


def _label(stay: Span, spoken: Sequence[Outcome]) -> StayLabel | None:
    if not spoken:
        return None
    counts = max(spoken, key=lambda outcome: (outcome.decided_ms, outcome.order))
    if counts.kind == UNKNOWN:
        return None
    begins_ms = stay.origin_ms + stay.first_bin * HOUR_MS
    if counts.kind == NO_SEPSIS:  # what comes after it nobody vouches for
        hours = min(stay.hours, -(-(counts.time_ms - begins_ms) // HOUR_MS))
        return StayLabel(hours, None) if hours > 0 else None
    last_ms = counts.time_ms + KEPT_AFTER_ONSET_HOURS * HOUR_MS
    hours = min(stay.hours, (last_ms - begins_ms) // HOUR_MS + 1)
    if hours <= 0:
        return None
    turns_ms = counts.time_ms - LABEL_LEAD_HOURS * HOUR_MS
    positive_from = max(0, -(-(turns_ms - begins_ms) // HOUR_MS))
    return StayLabel(hours, positive_from if positive_from < hours else None)
