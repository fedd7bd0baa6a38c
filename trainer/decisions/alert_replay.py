"""Replay of the streamer's alert rules over whole stays, and the choice of the three thresholds.

Three numbers come from one choice. ``medium`` is chosen on validation patients within the alert
budget (``thresholds.choose_alert_threshold``); for each candidate, the other two follow from it. So
the alerts counted against the budget are exactly those that the bundle's policy will start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.alerts import AlertPolicy, AlertState, Phase, Thresholds, empty_state, step
from streamer.core.time import HOUR_MS

OFF_ODDS: Final = 0.6
"""An alert ends below this share of medium's odds. From one hour to the next the odds of a stay
without sepsis fall below 0.71 of the hour before once in twenty times (validation patients, risks
above 2 %): 0.6 is clearly below this noise."""

HIGH_PPV: Final = 2.0
"""A high alert is twice as likely to be sepsis as a medium one: a difference to act upon."""

LEAST_HIGH_STAYS: Final = 20
"""Among fewer stays the share of septic ones is not known to within 20 %."""

NEVER: Final = 1.0
"""No risk is above it: severity stays medium where no higher risk is septic more often."""

SUREST: Final = 1 - 1e-6
"""A medium threshold is below 1, also on a toy set whose risks were rounded to 1."""

AT_ONCE: Final = 16
"""Policies that are replayed side by side: the cost of a call is shared, and memory is bounded."""


def alert_phases(
    risk: NDArray[np.float64], starts: NDArray[np.int64], policy: AlertPolicy
) -> NDArray[np.uint8]:
    """Returns the ``Phase`` of each row ``(R,)``: one evaluation an hour, all stays side by side.

    Args:
        risk: (R,) calibrated 6 h risks.
        starts: (N + 1,) row offsets of the stays.
        policy: the thresholds.

    >>> risk = np.array([0.1, 0.5, 0.5, 0.1])
    >>> alert_phases(risk, np.array([0, 4]), AlertPolicy(0.4, 0.9, 0.2)).tolist()
    [0, 1, 0, 3]
    """
    return _replay(risk, starts, policy, empty_state(len(starts) - 1))


def alert_starts(
    risk: NDArray[np.float64], starts: NDArray[np.int64], policy: AlertPolicy
) -> NDArray[np.bool_]:
    """Returns ``(R,)`` true where an alert starts; as ``alert_phases``."""
    return np.asarray(alert_phases(risk, starts, policy) == Phase.START)


def alert_starts_of_each(
    risk: NDArray[np.float64], starts: NDArray[np.int64], policies: Sequence[AlertPolicy]
) -> Iterator[NDArray[np.bool_]]:
    """For each policy, as ``alert_starts``; some at once, which costs little more than one."""
    for first in range(0, len(policies), AT_ONCE):
        some = policies[first : first + AT_ONCE]
        medium, high, off = np.array([(p.medium, p.high, p.off) for p in some]).T[..., None]
        columns = _Columns(medium, high, off)
        phases = _replay(risk, starts, columns, empty_state((len(some), len(starts) - 1)))
        yield from phases == Phase.START


@dataclass(frozen=True, slots=True)
class _Columns:
    """Thresholds of ``C`` policies, ``(C, 1)`` each."""

    medium: NDArray[np.float64]
    high: NDArray[np.float64]
    off: NDArray[np.float64]


def _replay(
    risk: NDArray[np.float64], starts: NDArray[np.int64], policy: Thresholds, state: AlertState
) -> NDArray[np.uint8]:
    """The phases of each row, from a state of all stays; of each policy if it is several."""
    lengths = np.diff(starts)
    order = np.argsort(-lengths, kind="stable")
    first, lengths = starts[:-1][order], lengths[order]
    phases = np.zeros((*state.severity.shape[:-1], len(risk)), np.uint8)
    for hour in range(int(lengths[0])):
        running = int(np.searchsorted(-lengths, -hour, side="left"))
        for name in state.__slots__:  # the stays that ended are behind those that go on
            setattr(state, name, getattr(state, name)[..., :running])
        rows = first[:running] + hour
        time_ms = np.full(running, hour * HOUR_MS, np.int64)
        state, phases[..., rows] = step(state, risk[rows], time_ms, policy)
    return phases


def alert_on(phases: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Returns ``(R,)`` whether a stay is under an alert after each row.

    >>> alert_on(np.array([0, 1, 0, 3, 1, 0], np.uint8), np.array([0, 5, 6])).tolist()
    [False, True, True, False, True, False]
    """
    change = (phases == Phase.START).astype(np.int64) - (phases == Phase.END)
    so_far = np.concatenate([[0], np.cumsum(change)])
    before_stay = np.repeat(so_far[starts[:-1]], np.diff(starts))
    return np.asarray(so_far[1:] > before_stay)


class PolicyRule:
    """Completes a medium threshold to a policy, by rules fixed on one set of patients.

    Args:
        label: (R,) the challenge's SepsisLabel.
        starts: (N + 1,) row offsets of the stays.
        risk: (R,) calibrated 6 h risks.
    """

    def __init__(
        self, label: NDArray[np.int8], starts: NDArray[np.int64], risk: NDArray[np.float64]
    ) -> None:
        highest = np.maximum.reduceat(risk, starts[:-1])
        order = np.argsort(highest, kind="stable")
        self._highest = highest[order]
        septic = (np.maximum.reduceat(label, starts[:-1]) == 1)[order]
        n_above = np.arange(len(order), 0, -1)
        # At index i: the septic share of the stays whose highest risk is that of i, or more.
        self._ppv = np.cumsum(septic[::-1])[::-1] / n_above
        self._ppv[n_above < LEAST_HIGH_STAYS] = 0

    def complete(self, medium: float) -> AlertPolicy:
        """Returns the policy of a medium threshold.

        ``off`` has ``OFF_ODDS`` of medium's odds. ``high`` is the lowest risk that a stay can
        exceed to be ``HIGH_PPV`` times as likely septic as one that exceeds medium; ``NEVER``
        where too few do.
        """
        medium = min(medium, SUREST)
        odds = OFF_ODDS * medium / (1 - medium)
        at = int(np.searchsorted(self._highest, medium, side="right"))
        high = NEVER
        if at < len(self._ppv):
            enough = np.flatnonzero(self._ppv[at:] >= max(HIGH_PPV * self._ppv[at], 1e-9))
            if self._ppv[at] > 0 and len(enough):
                first = at + int(enough[0])
                high = float(self._highest[first - 1] + self._highest[first]) / 2
        return AlertPolicy(medium, high if medium < high < NEVER else NEVER, odds / (1 + odds))
