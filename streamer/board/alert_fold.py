"""Messages of one alert, folded: revision, response and history, whatever version wrote them.

A service that knows actions writes the response with each message, and it is taken as it is. Where
it is missing, revision and end follow from the phases alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from streamer.board.messages import AlertMessage, MessageReason, Treated, epoch_ms
from streamer.core.answers import read_alert_id

_RAISING: Final = {"start", "escalate"}
_VITAL: Final = _RAISING | {"end"}
MOST_MESSAGES: Final = 300
"""People give some ten answers to an alert; a program that answers without end costs no memory."""
# Snoozes and their ends move nothing on the attention list; a verdict and a refusal neither.
_MOVING: Final = _RAISING | {"end", "acknowledge", "unacknowledge", "pause", "unpause"}
_SEVERITIES: Final = {"medium", "high"}
_LEAVING: Final = {"discharge", "next_stay"}


@dataclass(slots=True)
class AlertFold:
    """One alert as its messages leave it; times are epoch milliseconds.

    Attributes:
        ended_by: why it ended: ``risk``, or that the patient left.
        state: of the response as the service wrote it; ``None`` where it writes none.
        overdue_revision: the revision that was last said to be overdue.
        messages: the last ones, in the order of the log, without their reasons; all of vitals.
    """

    alert_id: str
    started_ms: int
    changed_ms: int
    partition: int = 0
    revision: int = 0
    acknowledged: int = 0
    severity: str = "medium"
    phase: str = "start"
    ended_ms: int | None = None
    ended_by: str | None = None
    state: str | None = None
    risk: float | None = None
    threshold: float | None = None
    respond_by_ms: int | None = None
    snoozed_until_ms: int | None = None
    overdue_revision: int = 0
    acknowledged_by: str | None = None
    acknowledged_ms: int | None = None
    is_paused: bool = False
    treated: bool | Treated | None = None
    reasons: list[MessageReason] = field(default_factory=list)
    messages: list[AlertMessage] = field(default_factory=list)

    @classmethod
    def of(cls, message: AlertMessage) -> AlertFold:
        """Returns the alert of its first message that is still kept."""
        assert message.alert_id is not None
        named, time_ms = read_alert_id(message.alert_id), epoch_ms(message.time) or 0
        started_ms = None if named is None else epoch_ms(named.start)
        return cls(message.alert_id, time_ms if started_ms is None else started_ms, time_ms)

    @property
    def left(self) -> bool:
        """Whether it ended because the patient left."""
        return self.ended_by in _LEAVING

    def add(self, message: AlertMessage) -> None:
        """Folds the next message of the alert."""
        time_ms = epoch_ms(message.time) or self.changed_ms
        kept = message.reasons
        message.reasons = []  # five of them a message would be most of the memory
        self.messages.append(message)
        if len(self.messages) > MOST_MESSAGES:
            of_people = (i for i, m in enumerate(self.messages) if m.phase not in _VITAL)
            del self.messages[next(of_people, 1)]
        if message.phase in {"refused", "feedback"}:
            return
        self._vital(message, time_ms)
        if kept:
            self.reasons = kept
        if message.phase in _MOVING:
            self.changed_ms = time_ms
        self.phase = message.phase
        if message.severity in _SEVERITIES:  # an answer after the end has none
            self.severity = message.severity
        self.partition = message.partition
        self._response(message, time_ms)

    def _vital(self, message: AlertMessage, time_ms: int) -> None:
        if message.phase in _RAISING:
            self.revision = message.revision or self.revision + 1
            self.acknowledged_by = self.acknowledged_ms = None
            self.ended_ms = self.ended_by = None
        elif message.phase == "end":
            self.ended_ms, self.ended_by = time_ms, message.reason
        if message.risk is not None and message.phase in _VITAL:
            self.risk = message.risk
        if message.threshold is not None:
            self.threshold = message.threshold

    def _response(self, message: AlertMessage, time_ms: int) -> None:
        self.revision = message.revision or self.revision
        if message.phase == "acknowledge":
            self.acknowledged = self.revision
            self.acknowledged_by = message.by.user if message.by else None
            self.acknowledged_ms = time_ms
        elif message.phase == "unacknowledge":
            self.acknowledged, self.acknowledged_by, self.acknowledged_ms = 0, None, None
        elif message.phase == "overdue":
            self.overdue_revision = self.revision
        if message.acknowledged is not None:
            self.acknowledged = message.acknowledged
        self.state = message.state
        self.respond_by_ms = epoch_ms(message.respond_by)
        self.snoozed_until_ms = epoch_ms(message.snoozed_until)
        self.is_paused, self.treated = bool(message.paused), message.treated
