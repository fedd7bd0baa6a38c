"""People's response to the alert of a stay: who saw which revision, until when it is quiet.

Vitals alone start, raise and end alerts (`alerts`). People change only the response. A revision
counts the starts and rises of an alert; an acknowledgement is the greatest revision that somebody
saw, so that against rises it has the same effect in any order. Deadlines are judged when a record
of the patient comes, by the timestamps of records: the response is a fold of one stay's records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.actions import PAUSE_REASONS
from streamer.core.alerts import Phase
from streamer.core.events import ANTIBIOTIC
from streamer.core.stays import LATER, NEVER, Slots, StayTable
from streamer.core.time import HOUR_MS, MINUTE_MS

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

UNSEEN_MS: Final = 12 * HOUR_MS
"""For so long an alert that ended before anybody saw it asks to be looked at."""
HIGH: Final = 2
MEDIUM: Final = 1


@dataclass(frozen=True, slots=True)
class ResponsePolicy:
    """How long people have, and how long they may quieten an alert, in milliseconds.

    Attributes:
        respond_high_ms: time to respond to a high alert.
        respond_medium_ms: the same of a medium one.
        acknowledged_high_ms: a high alert that is still on comes back this long after it was
            acknowledged.
        snooze_max_ms: longest snooze, from the first one on.
        snooze_max_high_ms: the same of a high alert.
        pause_max_ms: longest pause of a patient.
    """

    respond_high_ms: int = 10 * MINUTE_MS
    respond_medium_ms: int = 30 * MINUTE_MS
    acknowledged_high_ms: int = HOUR_MS
    snooze_max_ms: int = 2 * HOUR_MS
    snooze_max_high_ms: int = 30 * MINUTE_MS
    pause_max_ms: int = 12 * HOUR_MS


DEFAULT_POLICY: Final = ResponsePolicy()


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


def follow(
    table: StayTable,
    policy: ResponsePolicy,
    slots: Slots,
    phase: NDArray[np.uint8],
    clock_ms: Integers,
    *,
    leaves: bool,
) -> list[Standing]:
    """Follows what vitals did to alerts, and returns how each stands then.

    Args:
        table: the stays; the response of ``slots`` changes.
        policy: the times.
        slots: ``(n,)`` distinct stays whose alert has just started, risen or ended.
        phase: ``(n,)`` which of it.
        clock_ms: ``(n,)`` timestamps of the records that did it.
        leaves: whether alerts end because the patient was discharged: they leave with the patient.
    """
    starts, ends = phase == Phase.START, phase == Phase.END
    raised = ~ends
    slots_started, slots_ended, slots_raised = slots[starts], slots[ends], slots[raised]
    table["revision"][slots_started] = 0
    table["acked"][slots_started] = 0
    table["acked_ms"][slots_started] = NEVER
    table["overdue_revision"][slots_started] = 0
    table["unseen_until_ms"][slots_started] = NEVER
    table["snooze_revision"][slots_started] = 0
    table["revision"][slots_raised] += 1
    _end_snooze(table, slots)
    _ask_again(table, policy, slots_raised, clock_ms[raised])
    if len(slots_ended):
        is_seen = _seen(table, slots_ended) | _is_quiet(table, slots_ended, table["alert_peak"])
        waits = ~is_seen & (not leaves)
        until_ms = clock_ms[ends] + UNSEEN_MS
        table["unseen_until_ms"][slots_ended] = np.where(waits, until_ms, NEVER)
        table["snooze_revision"][slots_ended] = 0
        table["respond_ms"][slots_ended] = NEVER
    set_deadline(table, policy, slots)
    return [
        standing(table, slot, at_ms)
        for slot, at_ms in zip(slots.tolist(), clock_ms.tolist(), strict=True)
    ]


def standing(table: StayTable, slot: int, clock_ms: int) -> Standing:
    """How the alert of a stay stands at a record with this timestamp."""
    slots = np.array([slot])
    is_on = bool(table["alert_severity"][slot])
    revision, acked = int(table["revision"][slot]), int(table["acked"][slot])
    is_snoozed = bool(_is_snoozed(table, slots)[0])
    if not is_on:
        waits = revision > acked and clock_ms < table["unseen_until_ms"][slot]
        state = ResponseState.ENDED_UNSEEN if waits else ResponseState.CLOSED
    elif _is_quiet(table, slots)[0]:
        state = ResponseState.PAUSED
    elif is_snoozed:
        state = ResponseState.SNOOZED
    else:
        state = ResponseState.ACKNOWLEDGED if acked >= revision else ResponseState.OPEN
    is_asked = state is ResponseState.OPEN and bool(_demands(table, slots)[0])
    ward, bed = table.locations[slot]
    return Standing(
        revision,
        acked,
        state,
        int(table["respond_ms"][slot]) if is_asked else None,
        int(table["snooze_until_ms"][slot]) if is_snoozed else None,
        is_paused(table, slot),
        treated_since_ms(table, slot),
        ward,
        bed,
    )


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


def set_deadline(table: StayTable, policy: ResponsePolicy, slots: Slots) -> None:
    """Notes the timestamp at which the next deadline of each stay is due, ``LATER`` for none."""
    on = table["alert_severity"][slots]
    pause_ms, snooze_ms = table["pause_until_ms"][slots], table["snooze_until_ms"][slots]
    acked_ms, respond_ms = table["acked_ms"][slots], table["respond_ms"][slots]
    comes_back = _comes_back(table, slots)
    is_late_once = _demands(table, slots) & (
        table["overdue_revision"][slots] < table["revision"][slots]
    )
    deadline_ms = np.minimum.reduce(
        [
            np.where(pause_ms != NEVER, pause_ms, LATER),
            np.where((on > 0) & (snooze_ms != NEVER), snooze_ms, LATER),
            np.where(
                comes_back, np.where(comes_back, acked_ms, 0) + policy.acknowledged_high_ms, LATER
            ),
            np.where(is_late_once, respond_ms, LATER),
        ]
    )
    is_new = deadline_ms != table["deadline_ms"][slots]
    table["deadline_ms"][slots] = deadline_ms
    table.touched[slots[is_new]] = True


class Due(StrEnum):
    """A deadline that has come, by the phase that says so."""

    UNPAUSE = "unpause"
    RESUME = "resume"
    OVERDUE = "overdue"


def pass_time(
    table: StayTable, policy: ResponsePolicy, slot: int, clock_ms: int
) -> Iterator[tuple[Due, Standing]]:
    """Judges the deadlines of a stay at a record with this timestamp.

    A patient's pause ends first, then a snooze or the time of an acknowledgement; what is asked for
    again has time again.

    Yields:
        Those that have come, and how the alert stands after each.
    """
    slots = np.array([slot])
    if NEVER < table["pause_until_ms"][slot] <= clock_ms:
        end_pause(table, policy, slot, clock_ms)
        yield Due.UNPAUSE, standing(table, slot, clock_ms)
    is_over = NEVER < table["snooze_until_ms"][slot] <= clock_ms
    if _comes_back(table, slots)[0]:
        is_over |= clock_ms >= int(table["acked_ms"][slot]) + policy.acknowledged_high_ms
    if is_over:
        reopen(table, policy, slot, clock_ms)
        yield Due.RESUME, standing(table, slot, clock_ms)
    revision = table["revision"][slot]
    if (
        _demands(table, slots)[0]
        and table["overdue_revision"][slot] < revision
        and clock_ms >= table["respond_ms"][slot]
    ):
        table["overdue_revision"][slot] = revision
        yield Due.OVERDUE, standing(table, slot, clock_ms)
    set_deadline(table, policy, slots)


def acknowledge(
    table: StayTable, policy: ResponsePolicy, slot: int, revision: int, clock_ms: int
) -> None:
    """Notes that somebody saw a revision; one that has risen since is not answered by it."""
    revision = min(revision, int(table["revision"][slot]))
    table["acked"][slot] = max(int(table["acked"][slot]), revision)
    if revision >= table["revision"][slot]:
        table["acked_ms"][slot] = clock_ms
        _end_snooze(table, np.array([slot]))
    set_deadline(table, policy, np.array([slot]))


def snooze(
    table: StayTable, policy: ResponsePolicy, slot: int, revision: int, span_ms: tuple[int, int]
) -> bool:
    """Quietens a revision of an alert that is on.

    Args:
        table: the stays.
        policy: the times.
        slot: of the stay.
        revision: as the person saw it; one that has risen since is not quietened.
        span_ms: from when, the timestamp of the record, until when.

    Returns:
        Whether it may be that long, counted from the first snooze.
    """
    slots = np.array([slot])
    begin_ms, until_ms = span_ms
    is_high = table["alert_severity"][slot] == HIGH
    most_ms = policy.snooze_max_high_ms if is_high else policy.snooze_max_ms
    is_running = _is_snoozed(table, slots)[0]
    first_ms = int(table["snooze_first_ms"][slot]) if is_running else begin_ms
    if until_ms > first_ms + most_ms:
        return False
    if table["alert_severity"][slot] and revision >= table["revision"][slot]:
        table["snooze_first_ms"][slot] = first_ms
        table["snooze_until_ms"][slot] = until_ms
        table["snooze_revision"][slot] = table["revision"][slot]
        # When it ends the alert is open: whoever snoozes wants to be asked again.
        table["acked"][slot] = min(int(table["acked"][slot]), int(table["revision"][slot]) - 1)
        set_deadline(table, policy, slots)
    return True


def is_snoozed(table: StayTable, slot: int) -> bool:
    """Whether the alert of a stay is snoozed."""
    return bool(_is_snoozed(table, np.array([slot]))[0])


def reopen(table: StayTable, policy: ResponsePolicy, slot: int, clock_ms: int) -> None:
    """Opens an alert that is on and was answered: people are asked again, from now on."""
    slots = np.array([slot])
    if not table["alert_severity"][slot]:
        return
    _end_snooze(table, slots)
    table["snooze_revision"][slots] = 0
    table["acked"][slot] = min(int(table["acked"][slot]), int(table["revision"][slot]) - 1)
    _ask_again(table, policy, slots, np.array([clock_ms]))
    set_deadline(table, policy, slots)


def pause(
    table: StayTable, policy: ResponsePolicy, slot: int, reason: str, span_ms: tuple[int, int]
) -> bool:
    """Pauses a patient from a timestamp until another; returns whether it may be that long."""
    begin_ms, until_ms = span_ms
    if until_ms - begin_ms > policy.pause_max_ms:
        return False
    table["pause_until_ms"][slot] = until_ms
    table["pause_reason"][slot] = PAUSE_REASONS.index(reason)
    set_deadline(table, policy, np.array([slot]))
    return True


def end_pause(table: StayTable, policy: ResponsePolicy, slot: int, clock_ms: int) -> None:
    """Ends the pause of a patient; what was quiet for it has its time from now on."""
    slots = np.array([slot])
    was_quiet = _is_quiet(table, slots)
    table["pause_until_ms"][slot] = NEVER
    table.notes[slot] = replace(table.notes[slot], pause_by=b"")
    if was_quiet[0] and not _seen(table, slots)[0]:
        _ask_again(table, policy, slots, np.array([clock_ms]))
    set_deadline(table, policy, slots)


def _ask_again(table: StayTable, policy: ResponsePolicy, slots: Slots, clock_ms: Integers) -> None:
    """Sets until when somebody should respond."""
    is_high = table["alert_severity"][slots] == HIGH
    table["respond_ms"][slots] = clock_ms + np.where(
        is_high, policy.respond_high_ms, policy.respond_medium_ms
    )


def _end_snooze(table: StayTable, slots: Slots) -> None:
    """Ends snoozes; that a revision was snoozed stays known, since somebody has seen it."""
    table["snooze_until_ms"][slots] = NEVER
    table["snooze_first_ms"][slots] = NEVER


def _is_snoozed(table: StayTable, slots: Slots) -> Mask:
    snoozed: Mask = (
        (table["alert_severity"][slots] > 0)
        & (table["snooze_until_ms"][slots] != NEVER)
        & (table["snooze_revision"][slots] >= table["revision"][slots])
    )
    return snoozed


def _seen(table: StayTable, slots: Slots) -> Mask:
    """Whether somebody has seen the newest revision."""
    seen = np.maximum(table["acked"][slots], table["snooze_revision"][slots])
    is_seen: Mask = seen >= table["revision"][slots]
    return is_seen


def _is_quiet(table: StayTable, slots: Slots, severity: NDArray[np.uint8] | None = None) -> Mask:
    """Whether an alert is quiet since its patient is paused; a high one breaks through."""
    severity = table["alert_severity"] if severity is None else severity
    quiet: Mask = (table["pause_until_ms"][slots] != NEVER) & (severity[slots] == MEDIUM)
    return quiet


def _demands(table: StayTable, slots: Slots) -> Mask:
    """Whether somebody should respond: it is on, open, and more than information.

    A medium alert of a patient who is treated already is information.
    """
    severity = table["alert_severity"][slots]
    is_treated = table["medication_on"][slots, ANTIBIOTIC] == 1
    demands: Mask = (
        (severity > 0)
        & (table["revision"][slots] > table["acked"][slots])
        & ~_is_snoozed(table, slots)
        & ~_is_quiet(table, slots)
        & ~(is_treated & (severity == MEDIUM))
        & (table["respond_ms"][slots] != NEVER)
    )
    return demands


def _comes_back(table: StayTable, slots: Slots) -> Mask:
    """Whether an acknowledgement runs out: of a high alert that is on."""
    back: Mask = (
        (table["alert_severity"][slots] == HIGH)
        & (table["acked"][slots] >= table["revision"][slots])
        & (table["acked_ms"][slots] != NEVER)
    )
    return back
