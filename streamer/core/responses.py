"""People's response to the alert of a stay: who saw which revision, until when it is quiet.

Vitals alone start, raise and end alerts (`alerts`). People change only the response. A revision
counts the starts and rises of an alert; an acknowledgement is the greatest revision that somebody
saw, so that against rises it has the same effect in any order. Deadlines are judged when a record
of the patient comes, by the timestamps of records: the response is a fold of one stay's records.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.actions import PAUSE_REASONS
from streamer.core.alerts import Phase
from streamer.core.standings import (
    HIGH,
    Integers,
    Standing,
    are_snoozed,
    comes_back,
    demands,
    is_quiet,
    seen,
    standing,
    standings,
)
from streamer.core.stays import LATER, NEVER, Slots, StayTable
from streamer.core.time import HOUR_MS, MINUTE_MS

UNSEEN_MS: Final = 12 * HOUR_MS
"""For so long an alert that ended before anybody saw it asks to be looked at."""


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
        is_seen = seen(table, slots_ended) | is_quiet(table, slots_ended, table["alert_peak"])
        waits = ~is_seen & (not leaves)
        until_ms = clock_ms[ends] + UNSEEN_MS
        table["unseen_until_ms"][slots_ended] = np.where(waits, until_ms, NEVER)
        table["snooze_revision"][slots_ended] = 0
        table["respond_ms"][slots_ended] = NEVER
    set_deadline(table, policy, slots)
    return standings(table, slots, clock_ms)


def set_deadline(table: StayTable, policy: ResponsePolicy, slots: Slots) -> None:
    """Notes the timestamp at which the next deadline of each stay is due, ``LATER`` for none."""
    on = table["alert_severity"][slots]
    pause_ms, snooze_ms = table["pause_until_ms"][slots], table["snooze_until_ms"][slots]
    acked_ms, respond_ms = table["acked_ms"][slots], table["respond_ms"][slots]
    returns = comes_back(table, slots)
    is_late_once = demands(table, slots) & (
        table["overdue_revision"][slots] < table["revision"][slots]
    )
    deadline_ms = np.minimum.reduce(
        [
            np.where(pause_ms != NEVER, pause_ms, LATER),
            np.where((on > 0) & (snooze_ms != NEVER), snooze_ms, LATER),
            np.where(returns, np.where(returns, acked_ms, 0) + policy.acknowledged_high_ms, LATER),
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
    table: StayTable, policy: ResponsePolicy, slots: Slots, clock_ms: Integers
) -> list[tuple[int, Due, Standing]]:
    """Judges the deadlines of stays, each at a record with its timestamp.

    A patient's pause ends first, then a snooze or the time of an acknowledgement; what is asked for
    again has time again.

    Args:
        table: the stays.
        policy: the times.
        slots: ``(n,)`` distinct stays.
        clock_ms: ``(n,)`` timestamps.

    Returns:
        The deadlines that have come: of which of the ``n``, which, and how the alert stands after
        it; stay by stay.
    """
    passed: list[tuple[int, Due, Standing]] = []
    pause_ms = table["pause_until_ms"][slots]
    for i in np.flatnonzero((pause_ms > NEVER) & (pause_ms <= clock_ms)).tolist():
        slot, at_ms = int(slots[i]), int(clock_ms[i])
        end_pause(table, policy, slot, at_ms)
        passed.append((i, Due.UNPAUSE, standing(table, slot, at_ms)))
    snooze_ms, acked_ms = table["snooze_until_ms"][slots], table["acked_ms"][slots]
    is_over = (snooze_ms > NEVER) & (snooze_ms <= clock_ms)
    is_over |= comes_back(table, slots) & (clock_ms - policy.acknowledged_high_ms >= acked_ms)
    for i in np.flatnonzero(is_over).tolist():
        slot, at_ms = int(slots[i]), int(clock_ms[i])
        reopen(table, policy, slot, at_ms)
        passed.append((i, Due.RESUME, standing(table, slot, at_ms)))
    revision = table["revision"][slots]
    is_late = (
        demands(table, slots)
        & (table["overdue_revision"][slots] < revision)
        & (clock_ms >= table["respond_ms"][slots])
    )
    late = np.flatnonzero(is_late)
    table["overdue_revision"][slots[late]] = revision[late]
    stands = standings(table, slots[late], clock_ms[late])
    passed += [(i, Due.OVERDUE, stand) for i, stand in zip(late.tolist(), stands, strict=True)]
    set_deadline(table, policy, slots)
    passed.sort(key=itemgetter(0))
    return passed


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
    is_running = are_snoozed(table, slots)[0]
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
    was_quiet = is_quiet(table, slots)
    table["pause_until_ms"][slot] = NEVER
    table.notes[slot] = replace(table.notes[slot], pause_by=b"")
    if was_quiet[0] and not seen(table, slots)[0]:
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
