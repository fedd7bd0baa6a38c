"""The one pass from events to evaluations: fold, step, evaluate, decide, for many stays at once.

It changes the table that it is given and nothing else. Batches cut differently give the same
evaluations; so do other stays in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.core import late_events, state_stepping
from streamer.core.assessment import EndReason, assess
from streamer.core.columns import Columns
from streamer.core.event_fold import EventFold
from streamer.core.expiry import Days
from streamer.core.model import Model
from streamer.core.responding import Responding
from streamer.core.responses import DEFAULT_POLICY, ResponsePolicy
from streamer.core.scored_batch import Batch, Events, Outcome
from streamer.core.stays import Slots, StayTable


class Scorer:
    """Scores batches of events against one table of stays with one model.

    Args:
        model: the network with its scaling, calibration and thresholds.
        table: the stays; they are the only state.
        interval_ms: evaluation interval in event time since admission; 0 evaluates every event
            that changes something.
        forecast: whether risks come with a forecast of vital signs, if the model has a head for it.
        policy: how long people have to respond to an alert.

    Raises:
        ValueError: the table is one of other variables than the model has.
    """

    def __init__(
        self,
        model: Model,
        table: StayTable,
        interval_ms: int,
        forecast: bool = False,
        policy: ResponsePolicy = DEFAULT_POLICY,
    ) -> None:
        if table.variables != model.variables:
            raise ValueError("a table of other variables than the model has")
        self.model = model
        self.table = table
        self.interval_ms = interval_ms
        self._folding = EventFold(table, interval_ms, _Recurrence(model, table, forecast, policy))

    def score(
        self,
        columns: Columns,
        partitions: Sequence[int],
        home_partitions: Mapping[str, int] | None = None,
        noted_days: Days | None = None,
    ) -> Outcome:
        """Takes a batch of events into the stays.

        Args:
            columns: the decoded events, in the order of the log.
            partitions: the input partition of each event.
            home_partitions: by patient, for stays that are not in the table.
            noted_days: see `expiry.follow`.
        """
        return self._folding.fold(columns, partitions, home_partitions, noted_days)


class _Recurrence(Responding):
    """Follows the fold with the network: steps closed bins, assesses at evaluation points."""

    def __init__(
        self, model: Model, table: StayTable, forecast: bool, policy: ResponsePolicy
    ) -> None:
        super().__init__(table, policy)
        self._model = model
        self._table = table
        self._has_forecast = forecast and model.forecaster is not None

    def refresh(self, slots: Slots) -> None:
        late_events.refresh(self._table, self._model, slots)

    def close(self, slots: Slots) -> None:
        state_stepping.commit(self._table, self._model, slots)

    def leave_ring(self, slots: Slots, bins: NDArray[np.int32]) -> None:
        state_stepping.slide_anchor(self._table, self._model, slots, bins)

    def pass_silence(self, slots: Slots, until: NDArray[np.int64]) -> None:
        state_stepping.pass_silence(self._table, self._model, slots, until)

    def evaluate(self, batch: Batch, events: Events) -> None:
        assessments = assess(
            self._table,
            self._model,
            batch.slots[events],
            events,
            end_reason=None,
            has_forecast=self._has_forecast,
        )
        batch.outcome.assessments.append(assessments)
        self.follow(batch, assessments)

    def attends(self, slots: Slots) -> NDArray[np.bool_]:
        """A stay with an alert on: it has an end to be told."""
        alerted: NDArray[np.bool_] = self._table["alert_severity"][slots] > 0
        return alerted

    def end(self, batch: Batch, slots: Slots, events: Events, reason: EndReason) -> None:
        """Ends their alerts; nothing was measured, so they say no risk."""
        assessments = assess(
            self._table, self._model, slots, events, end_reason=reason, has_forecast=False
        )
        batch.outcome.assessments.append(assessments)
        self.follow(batch, assessments)
