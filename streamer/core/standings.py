"""Standings of alerts with people, as the stays of a table have them. Nothing here changes a stay.

What is asked of many stays at once is a mask of them; `responses` changes what is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.actions import PAUSE_REASONS
from streamer.core.events import ANTIBIOTIC
from streamer.core.stays import NEVER, Slots, StayTable

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

HIGH: Final = 2
MEDIUM: Final = 1


class ResponseState(StrEnum):
    """How the alert of a patient stands with people."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    PAUSED = "paused"
    ENDED_UNSEEN = "ended_unseen"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Standing:
    """How an alert stands with people at one record; times in epoch milliseconds.

    Attributes:
        revision: number of starts and rises of the alert.
        acknowledged: the greatest revision that was acknowledged, 0 for none.
        state: what follows of all of it.
        respond_by_ms: until when somebody should respond; ``None`` where nobody is asked to.
        snoozed_until_ms: ``None`` where it is not snoozed.
        is_paused: whether the patient is paused.
        treated_since_ms: since when an antibiotic has been running; ``None`` where none is.
        ward: where the patient is; empty where unknown.
        bed: the same.
    """

    revision: int
    acknowledged: int
    state: ResponseState
    respond_by_ms: int | None
    snoozed_until_ms: int | None
    is_paused: bool
    treated_since_ms: int | None
    ward: str
    bed: str


_STATES: Final = tuple(ResponseState)
_OPEN, _ACKNOWLEDGED, _SNOOZED, _PAUSED, _ENDED_UNSEEN, _CLOSED = range(len(_STATES))


def standings(table: StayTable, slots: Slots, clock_ms: Integers) -> list[Standing]:
    """How the alerts of ``(n,)`` stays stand, each at a record with its timestamp ``(n,)``."""
    revision, acked = table["revision"][slots], table["acked"][slots]
    is_on = table["alert_severity"][slots] > 0
    is_snoozed = are_snoozed(table, slots)
    waits = (revision > acked) & (clock_ms < table["unseen_until_ms"][slots])
    state = np.select(
        [~is_on & waits, ~is_on, is_quiet(table, slots), is_snoozed, acked >= revision],
        [_ENDED_UNSEEN, _CLOSED, _PAUSED, _SNOOZED, _ACKNOWLEDGED],
        _OPEN,
    )
    is_asked = (state == _OPEN) & demands(table, slots)
    return [
        Standing(
            revision,
            acked,
            _STATES[state],
            respond_ms if is_asked else None,
            snooze_until_ms if is_snoozed else None,
            is_paused(table, slot),
            treated_since_ms(table, slot),
            *table.locations[slot],
        )
        for slot, revision, acked, state, is_asked, respond_ms, is_snoozed, snooze_until_ms in zip(
            slots.tolist(),
            revision.tolist(),
            acked.tolist(),
            state.tolist(),
            is_asked.tolist(),
            table["respond_ms"][slots].tolist(),
            is_snoozed.tolist(),
            table["snooze_until_ms"][slots].tolist(),
            strict=True,
        )
    ]


def standing(table: StayTable, slot: int, clock_ms: int) -> Standing:
    """How the alert of one stay stands at a record with this timestamp."""
    (one,) = standings(table, np.array([slot]), np.array([clock_ms]))
    return one


def treated_since_ms(table: StayTable, slot: int) -> int | None:
    """Since when an antibiotic has been running; ``None`` where none is."""
    since_ms = int(table["antibiotic_since_ms"][slot])
    return since_ms if table["medication_on"][slot, ANTIBIOTIC] and since_ms != NEVER else None


def is_paused(table: StayTable, slot: int) -> bool:
    """Whether a patient is paused."""
    return bool(table["pause_until_ms"][slot] != NEVER)


def pause_reason(table: StayTable, slot: int) -> str:
    """The reason of the pause that runs."""
    return PAUSE_REASONS[int(table["pause_reason"][slot])]


def is_snoozed(table: StayTable, slot: int) -> bool:
    """Whether the alert of a stay is snoozed."""
    return bool(are_snoozed(table, np.array([slot]))[0])


def are_snoozed(table: StayTable, slots: Slots) -> Mask:
    """Whether alerts are snoozed at the revision that they have."""
    snoozed: Mask = (
        (table["alert_severity"][slots] > 0)
        & (table["snooze_until_ms"][slots] != NEVER)
        & (table["snooze_revision"][slots] >= table["revision"][slots])
    )
    return snoozed


def seen(table: StayTable, slots: Slots) -> Mask:
    """Whether somebody has seen the newest revision."""
    newest_seen = np.maximum(table["acked"][slots], table["snooze_revision"][slots])
    is_seen: Mask = newest_seen >= table["revision"][slots]
    return is_seen


def is_quiet(table: StayTable, slots: Slots, severity: NDArray[np.uint8] | None = None) -> Mask:
    """Whether an alert is quiet since its patient is paused; a high one breaks through."""
    severity = table["alert_severity"] if severity is None else severity
    quiet: Mask = (table["pause_until_ms"][slots] != NEVER) & (severity[slots] == MEDIUM)
    return quiet


def demands(table: StayTable, slots: Slots) -> Mask:
    """Whether somebody should respond: it is on, open, and more than information.

    A medium alert of a patient who is treated already is information.
    """
    severity = table["alert_severity"][slots]
    is_treated = table["medication_on"][slots, ANTIBIOTIC] == 1
    demands: Mask = (
        (severity > 0)
        & (table["revision"][slots] > table["acked"][slots])
        & ~are_snoozed(table, slots)
        & ~is_quiet(table, slots)
        & ~(is_treated & (severity == MEDIUM))
        & (table["respond_ms"][slots] != NEVER)
    )
    return demands


def comes_back(table: StayTable, slots: Slots) -> Mask:
    """Whether an acknowledgement runs out: of a high alert that is on."""
    back: Mask = (
        (table["alert_severity"][slots] == HIGH)
        & (table["acked"][slots] >= table["revision"][slots])
        & (table["acked_ms"][slots] != NEVER)
    )
    return back
