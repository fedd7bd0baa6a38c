"""When an alert starts, escalates and ends: hysteresis, a 12 h lockout, severity.

The rules are a fold over the risks of a stay: state and risk in, state and phase out. They are
written for many stays at once; the trainer runs the same function to set the alert budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.core.time import HOUR_MS

LOCKOUT_MS: Final = 12 * HOUR_MS
"""At most one start per patient in this time, unless severity rises: the contract's promise."""


class Phase(IntEnum):
    """What happened to the alert of a stay at one evaluation."""

    NONE = 0
    START = 1
    ESCALATE = 2
    END = 3


# At most one of them happens to a stay: their sum is the phase.
_START, _ESCALATE, _END = map(np.uint8, (Phase.START, Phase.ESCALATE, Phase.END))

SEVERITIES: Final = ("none", "medium", "high")


class Thresholds(Protocol):
    """Thresholds of one policy, or of several as columns ``(C, 1)``."""

    @property
    def medium(self) -> float | NDArray[np.float64]:
        """See ``AlertPolicy``."""

    @property
    def high(self) -> float | NDArray[np.float64]:
        """See ``AlertPolicy``."""

    @property
    def off(self) -> float | NDArray[np.float64]:
        """See ``AlertPolicy``."""


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """The thresholds of a model bundle, as calibrated 6 h risks.

    ``medium`` comes from the alert budget; ``high`` raises the severity; an alert ends when the
    risk falls below ``off``, which lies under ``medium`` so that noise cannot toggle it.
    """

    medium: float
    high: float
    off: float

    def __post_init__(self) -> None:
        """Refuses thresholds that are out of order.

        Raises:
            ValueError: unless 0 < off < medium < high <= 1.
        """
        if not 0 < self.off < self.medium < self.high <= 1:
            raise ValueError(f"alert thresholds must rise: off < medium < high, got {self}")


@dataclass(slots=True)
class AlertState:
    """The alert state of ``n`` stays, an array ``(n,)`` each.

    ``severity`` is 0 while no alert is on. ``start_ms`` is the time of the latest start (0: never),
    ``peak`` the severity that alert reached, ``number`` how many there were. These three belong
    to the patient: a new stay takes them over.
    """

    severity: NDArray[np.uint8]
    peak: NDArray[np.uint8]
    start_ms: NDArray[np.int64]
    number: NDArray[np.int32]


def empty_state(n_stays: int | tuple[int, int]) -> AlertState:
    """Returns the state of stays without any alert so far; ``(C, n)`` for ``C`` policies."""
    return AlertState(
        np.zeros(n_stays, np.uint8),
        np.zeros(n_stays, np.uint8),
        np.zeros(n_stays, np.int64),
        np.zeros(n_stays, np.int32),
    )


def step(
    state: AlertState,
    risk: NDArray[np.float64],
    time_ms: NDArray[np.int64],
    policy: Thresholds,
    may_alert: NDArray[np.bool_] | None = None,
) -> tuple[AlertState, NDArray[np.uint8]]:
    """Decides for each stay what its new risk does to its alert.

    Args:
        state: before; it is not changed.
        risk: ``(n,)`` calibrated 6 h risk.
        time_ms: ``(n,)`` event time, epoch milliseconds.
        policy: the thresholds; of ``C`` policies at once, all that is ``(n,)`` of the state and
            of what is returned is ``(C, n)``.
        may_alert: ``(n,)`` false where the stay is over: nothing starts, what is on ends.

    Returns:
        The state after, and ``(n,)`` the ``Phase`` of each stay.
    """
    high, medium = risk > policy.high, risk > policy.medium
    level = medium.astype(np.uint8) + (high & medium)
    on = state.severity > 0
    locked = (state.number > 0) & (time_ms - state.start_ms < LOCKOUT_MS)

    starts = ~on & (level > 0) & (~locked | (level > state.peak))
    ends = on & (risk < policy.off)
    if may_alert is not None:
        starts &= may_alert
        ends |= on & ~may_alert
    escalates = on & ~ends & (level > state.severity)

    after = AlertState(
        np.where(starts | escalates, level, state.severity * ~ends),
        np.where(starts, level, np.maximum(state.peak, level * escalates)),
        np.where(starts, time_ms, state.start_ms),
        state.number + starts,
    )
    return after, _START * starts + _ESCALATE * escalates + _END * ends
