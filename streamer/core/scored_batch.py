"""A batch of events on its way through the scorer, and its outcome."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamer.core.answers import Answer
from streamer.core.assessment import Assessments
from streamer.core.columns import Columns
from streamer.core.parallel_waves import Run
from streamer.core.reasons import Loss, Reason, Rejection, ValueProblem, by_problem
from streamer.core.stay_notices import StayNotice
from streamer.core.stays import Slots
from streamer.core.timeline import PLAIN
from streamer.core.variables import IS_LAB

Events = NDArray[np.intp]


@dataclass(slots=True)
class Outcome:
    """The result of a batch: the assessments of each wave, rejections by record, counts.

    ``notices`` are what people and deadlines did to alerts, and the stays that changed, in order;
    each says after how many assessments it came.
    """

    assessments: list[Assessments] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    losses: Counter[Loss] = field(default_factory=Counter)
    newcomers: list[int] = field(default_factory=list)  # events of whose patient nothing was known
    notices: list[Answer | StayNotice] = field(default_factory=list)
    new_days: list[tuple[int, int]] = field(default_factory=list)  # event, and day it begins
    n_events: int = 0
    n_late: int = 0  # observations of an hour that was closed already
    n_redundant: int = 0  # observations that changed nothing

    @property
    def problems(self) -> Counter[ValueProblem]:
        """How many values and particulars were dropped or are not what was sent, by reason."""
        return by_problem(self.losses)


@dataclass(slots=True)
class Batch:
    """A batch of ``E`` events on its way through the scorer.

    Attributes:
        columns: the decoded events, in the order of the log.
        partitions: ``(E,)`` the input partition of each event.
        outcome: the result so far.
        days: ``(E,)`` the day of the log at each event.
        on_home_partition: ``(E,)`` whether it came on the partition of its patient's stay.
        slots: ``(E,)`` the slot of its stay, -1 while it has none.
        clock_ms: ``(E,)`` timestamp of its record; its own time where there is no log.
        matters: ``(E,)`` whether it holds a laboratory value or a correction.
    """

    columns: Columns
    partitions: NDArray[np.int32]
    outcome: Outcome
    days: NDArray[np.int64]
    on_home_partition: NDArray[np.bool_]
    slots: Slots
    clock_ms: NDArray[np.int64]
    matters: NDArray[np.bool_]

    def run_of(self, events: Events) -> Run:
        """These events as a run for `parallel_waves`."""
        return Run(
            self.slots[events],
            self.columns.time_ms[events],
            self.clock_ms[events],
            self.matters[events],
        )

    def reject(self, event: int, reason: Reason, detail: str) -> None:
        """Notes that an event is rejected."""
        record = int(self.columns.record[event])
        self.outcome.rejections.append(Rejection(record, reason, detail))


def matters(columns: Columns) -> NDArray[np.bool_]:
    """Which events hold a laboratory value or a correction."""
    matters = np.zeros(len(columns.patients), np.bool_)
    cells = np.flatnonzero(IS_LAB[columns.variable] | (columns.rank != PLAIN))
    matters[np.searchsorted(columns.cell_start, cells, side="right") - 1] = True
    return matters
