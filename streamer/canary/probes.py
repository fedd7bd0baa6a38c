"""One canary on its way: what was sent, what must be heard, and what its outcome is. Pure.

A probe ends once: *wrong* as soon as something is heard that must not be, *ok* or *late* when all
is heard, *lost* when the next probe of its partition is due before that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from streamer.bundles.known_risks import TOLERANCE
from streamer.canary.golden import Expected, GoldenStay

ExpectedOf = Callable[[str, GoldenStay], Expected | None]
"""What a model, by its shown id, says of a stay; ``None`` where it is not in force."""


class Outcome(StrEnum):
    """How a probe ended."""

    OK = "ok"
    LATE = "late"
    WRONG = "wrong"
    LOST = "lost"


class Step(StrEnum):
    """What must be heard of a probe."""

    RISK = "risk"
    START = "start"
    END = "end"


@dataclass(slots=True)
class Probe:
    """One canary of one partition.

    Attributes:
        partition: where it must be heard.
        patient: its id.
        stay: what was sent.
        sent_s: when, seconds of a clock that only rises.
        seconds: from then on until each step was heard.
    """

    partition: int
    patient: str
    stay: GoldenStay
    sent_s: float
    seconds: dict[Step, float] = field(default_factory=dict)
    _risks: dict[int, str] = field(default_factory=dict)  # the model that said it, by bin
    _phases: list[str] = field(default_factory=list)
    _alert_id: str | None = None

    def risk(
        self, message: Mapping[str, Any], partition: int, now_s: float, expected_of: ExpectedOf
    ) -> str:
        """Hears a risk; returns what is wrong with it, empty if nothing is."""
        if fault := self._misplaced(message, partition):
            return fault
        model, bin_, risk = str(message["model"]), int(message["bin"]), float(message["risk"])
        expected = expected_of(model, self.stay)
        if expected is None:
            return f"the risk is of model {model}, which is not in force"
        if bin_ not in expected.risks:
            return f"a risk of hour {bin_}, where none is due"
        if not abs(risk - expected.risks[bin_]) <= TOLERANCE:
            return f"the risk of hour {bin_} is {risk:.6g}, not {expected.risks[bin_]:.6g}"
        if bin_ in self._risks:
            return f"the risk of hour {bin_} came twice"
        self._risks[bin_] = model
        if self._risks.keys() >= expected.risks.keys():
            self.seconds[Step.RISK] = now_s - self.sent_s
        return ""

    def alert(
        self, message: Mapping[str, Any], partition: int, now_s: float, expected_of: ExpectedOf
    ) -> str:
        """Hears an alert; returns what is wrong with it, empty if nothing is."""
        if fault := self._misplaced(message, partition):
            return fault
        model, phase, alert_id = (str(message[name]) for name in ("model", "phase", "alert_id"))
        expected = expected_of(model, self.stay)
        if expected is None:
            return f"the alert is of model {model}, which is not in force"
        if list(expected.phases)[len(self._phases) : len(self._phases) + 1] != [phase]:
            return f"{phase} after {' and '.join(self._phases) or 'no phase'}"
        if self._alert_id not in (None, alert_id):
            return f"{phase} of another alert than the one that was started"
        self._alert_id = alert_id
        self._phases.append(phase)
        self.seconds[Step(phase)] = now_s - self.sent_s
        return ""

    @property
    def is_heard(self) -> bool:
        """Whether all steps were heard."""
        return self.seconds.keys() >= set(Step)

    @property
    def silent(self) -> str:
        """The steps that were not heard."""
        return ", ".join(step for step in Step if step not in self.seconds)

    def _misplaced(self, message: Mapping[str, Any], partition: int) -> str:
        for where in (partition, message["partition"]):
            if where != self.partition:
                return f"heard of partition {where}, sent to {self.partition}"
        return ""


_FAULTY: Final = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


def hear(
    probe: Probe,
    message: object,
    partition: int,
    now_s: float,
    expected_of: ExpectedOf,
) -> str:
    """Hears a message of a probe; returns what is wrong with it, empty if nothing is.

    Args:
        probe: changes.
        message: a risk, or an alert, as JSON has it.
        partition: of the topic that it was heard on.
        now_s: of the clock of ``Probe.sent_s``.
        expected_of: what models in force say.
    """
    if not isinstance(message, dict):
        return "a message that is no JSON object"
    take = probe.alert if "phase" in message else probe.risk
    try:
        return take(message, partition, now_s, expected_of)
    except _FAULTY as error:
        return f"a message that cannot be read: {type(error).__name__}"
