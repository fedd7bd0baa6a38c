"""Follower of the fold of events into stays: a network, or an archive of hour rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.core.assessment import EndReason
from streamer.core.scored_batch import Batch, Events
from streamer.core.stays import Slots


class Follower(Protocol):
    """What goes along with the fold. It may change what it keeps of the stays, never their hours.

    Slots are those of the table that is folded into; within a call they are distinct. A follower
    that keeps no response of people inherits what it leaves out: nothing happens then.
    """

    def refresh(self, slots: Slots) -> None:
        """Bins of these stays are about to close: what late events have changed comes first."""

    def close(self, slots: Slots) -> None:
        """Their open bin closes."""

    def leave_ring(self, slots: Slots, bins: NDArray[np.int32]) -> None:
        """These bins leave the ring: their rows are final, and gone after the call."""

    def pass_silence(self, slots: Slots, until: NDArray[np.int64]) -> None:
        """All bins before ``until`` close, and all hours that the ring has leave it.

        The open one is the last in which something came; more than a ring of silent ones follow.
        """

    def evaluate(self, batch: Batch, events: Events) -> None:
        """The stays of these events are at an evaluation point."""

    def attends(self, slots: Slots) -> NDArray[np.bool_]:
        """Which of these stays it is called for when they end."""

    def end(self, batch: Batch, slots: Slots, events: Events, reason: EndReason) -> None:
        """Stays end at these events: by a discharge, which may be taken back, or for good."""

    def pass_time(self, batch: Batch, events: Events) -> None:
        """Records of stays have come, these events; what they do themselves follows the call.

        The events of a stay stand in the order of the log; here a stay may have several.
        """
        del batch, events

    def act(self, batch: Batch, event: int) -> None:
        """A person does something about the alert of this event's patient."""
        del batch, event

    def describe(self, batch: Batch, events: Events) -> None:
        """What people see of the stays of these events may have changed."""
        del batch, events

    def let_go(self, batch: Batch, event: int, patients: Sequence[str]) -> None:
        """The stays of these patients are let go before this event, those that are evicted too."""
        del batch, event, patients
