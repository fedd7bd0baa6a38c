"""Lost values: counted by variable, and said once for each variable and unit.

A rate says that something is lost; whoever has to mend the interface must see what.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, TypedDict

import structlog

from streamer.core.reasons import Loss, ValueProblem
from streamer.process.terminal import printable
from streamer.service import metrics

_SAID: Final = {
    ValueProblem.UNKNOWN_UNIT, ValueProblem.UNKNOWN_VARIABLE, ValueProblem.NOT_A_NUMBER,
    ValueProblem.UNKNOWN_CODE, ValueProblem.NOT_TEXT,
}  # fmt: skip
"""What an interface does to every value of a kind; artefacts and bounds come one by one."""
_MOST_LINES: Final = (
    200  # of all variables and the units of a hospital; more is somebody's invention
)
_LONGEST_UNIT: Final = 32
_log = structlog.get_logger(__name__)


class LossJson(TypedDict):
    """One kind of loss as `/lost` serves it."""

    reason: str
    variable: str
    unit: str | None
    count: int
    says: str


class Losses:
    """Counts what was lost, and says each kind of loss once in the life of a process."""

    def __init__(self) -> None:
        self._said: set[Loss] = set()
        self._counts: Counter[Loss] = Counter()

    def count(self, losses: Counter[Loss]) -> None:
        """Counts the losses of a batch whose messages are out."""
        for loss, number in losses.items():
            if loss.problem is not ValueProblem.UNKNOWN_VARIABLE:
                shown = Loss(loss.problem, loss.variable, _shown(loss.unit))
            else:  # a name that is none of ours may be anything, even a patient: it is not shown
                shown = Loss(loss.problem, metrics.OTHER_VARIABLE, None)
            metrics.VALUES_LOST.labels(shown.variable).inc(number)
            if shown in self._counts or len(self._counts) < _MOST_LINES:
                self._counts[shown] += number
            if loss.problem in _SAID:
                self._say(shown)

    def listed(self) -> list[LossJson]:
        """What was lost since the start by kind, the most frequent first; read by any thread."""
        kinds = sorted(self._counts.copy().items(), key=lambda kind: (-kind[1], str(kind[0])))
        return [
            {
                "reason": loss.problem.value,
                "variable": loss.variable,
                "unit": loss.unit,
                "count": number,
                "says": loss.problem.sentence,
            }
            for loss, number in kinds
            if loss.problem is not ValueProblem.CENSORED  # that one was taken
        ]

    def _say(self, loss: Loss) -> None:
        if loss in self._said or len(self._said) >= _MOST_LINES:
            return
        self._said.add(loss)
        _log.warning(
            "values are lost",
            reason=loss.problem.value,
            variable=loss.variable,
            unit=loss.unit,
            says=loss.problem.sentence,
        )


def _shown(unit: str | None) -> str | None:
    """A unit as it came, without what moves the cursor of whoever reads the log."""
    return None if unit is None else printable(unit)[:_LONGEST_UNIT]


LOSSES: Final = Losses()
"""What this process lost."""
