"""The ward as the topics `risk`, `alerts` and `stays` tell it: a pure fold, patient by patient."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from streamer.board.alert_fold import AlertFold
from streamer.board.messages import AlertMessage, RiskMessage, StayMessage, epoch_ms
from streamer.core.answers import read_alert_id
from streamer.core.time import HOUR_MS

_HOURS_KEPT: Final = 48
# A stay is let go after 15 days without an event, by its tombstone on `stays`. Where there is no
# such topic, a patient of whom nothing came for a day has left the ward without a discharge.
SILENT_MS: Final = 24 * HOUR_MS
ANSWERS: Final = 8
"""A page looks for the answers to its own actions; the service remembers as many."""
_ALERTS_KEPT_MS: Final = 48 * HOUR_MS


@dataclass(slots=True)
class Bedside:
    """All that is known of one patient.

    Attributes:
        partition: of the patient's events, to which actions go.
        stay: the newest record of `stays`.
        risk: the newest risk.
        hours: the first risk of each hour, (epoch ms, risk) by hour since the epoch: boards that
            start at different times choose the same.
        alerts: alerts of the last 48 hours and the newest one, by id.
        answers: the last actions and what became of them: id, phase, refusal.
    """

    patient: str
    partition: int = 0
    stay: StayMessage | None = None
    risk: RiskMessage | None = None
    risk_ms: int | None = None
    hours: dict[int, tuple[int, float]] = field(default_factory=dict)
    alerts: dict[str, AlertFold] = field(default_factory=dict)
    answers: deque[tuple[str, str, str | None]] = field(
        default_factory=lambda: deque(maxlen=ANSWERS)
    )

    @property
    def alert(self) -> AlertFold | None:
        """The newest alert."""
        return max(self.alerts.values(), key=lambda alert: alert.started_ms, default=None)


class WardFold:
    """All patients, and who changed since the last look.

    Attributes:
        patients: by id.
        newest_risk_ms: the log's time; ``None`` before the first risk.
        model: the model of the newest risk.
        thresholds: the threshold of alerts, by model.
        changed: patients whose card may have changed.
        is_urgent: whether an alert was among the changes.
    """

    def __init__(self) -> None:
        self.patients: dict[str, Bedside] = {}
        self.newest_risk_ms: int | None = None
        self.model: str | None = None
        self.thresholds: dict[str, float] = {}
        self.changed: set[str] = set()
        self.is_urgent = False

    def add(self, message: AlertMessage | RiskMessage | StayMessage) -> None:
        """Folds the next message of any topic."""
        match message:
            case RiskMessage():
                self._add_risk(message)
            case AlertMessage():
                self._add_alert(message)
            case StayMessage():
                self._add_stay(message)

    def remove(self, patient: str) -> None:
        """Forgets a patient whose stay was let go: a tombstone on `stays`."""
        if self.patients.pop(patient, None) is not None:
            self._note(patient, is_urgent=True)

    def find_alert(self, alert_id: str) -> tuple[Bedside, AlertFold] | None:
        """Returns the alert of an id and its patient."""
        named = read_alert_id(alert_id)
        bedside = None if named is None else self.patients.get(named.patient)
        alert = None if bedside is None else bedside.alerts.get(alert_id)
        return None if bedside is None or alert is None else (bedside, alert)

    def _bedside(self, patient: str) -> Bedside:
        bedside = self.patients.get(patient)
        if bedside is None:
            bedside = self.patients[patient] = Bedside(patient)
        return bedside

    def _note(self, patient: str, *, is_urgent: bool) -> None:
        self.changed.add(patient)
        self.is_urgent = self.is_urgent or is_urgent

    def _add_risk(self, message: RiskMessage) -> None:
        time_ms = epoch_ms(message.time)
        if time_ms is None:
            return
        bedside = self._bedside(message.patient_id)
        hour = time_ms // HOUR_MS
        first = bedside.hours.get(hour)
        if first is None or time_ms < first[0]:
            bedside.hours[hour] = time_ms, message.risk
            for old in [h for h in bedside.hours if h <= hour - _HOURS_KEPT]:
                del bedside.hours[old]
        # Times of one patient may step back: the newest is that of the newest event.
        if bedside.risk is None or message.offset >= bedside.risk.offset:
            bedside.risk, bedside.risk_ms = message, time_ms
            bedside.partition = message.partition
        if self.newest_risk_ms is None or time_ms > self.newest_risk_ms:
            self.newest_risk_ms, self.model = time_ms, message.model
        self._note(message.patient_id, is_urgent=False)

    def _add_alert(self, message: AlertMessage) -> None:
        bedside = self._bedside(message.patient_id)
        bedside.partition = message.partition
        if message.model is not None and message.threshold is not None:
            self.thresholds[message.model] = message.threshold
        self._note(message.patient_id, is_urgent=True)
        if message.action_id is not None:
            bedside.answers.append((message.action_id, message.phase, message.refusal))
        known = None if message.alert_id is None else bedside.alerts.get(message.alert_id)
        if message.alert_id is None or (known is None and message.phase == "refused"):
            return  # a pause without an alert, or a refusal: the card has its answer
        if known is None:
            known = bedside.alerts[message.alert_id] = AlertFold.of(message)
            _forget_old(bedside, known.started_ms)
        known.add(message)

    def _add_stay(self, message: StayMessage) -> None:
        bedside = self._bedside(message.patient_id)
        bedside.stay, bedside.partition = message, message.partition
        last = message.alert
        if last is not None and last.alert_id is not None and last.alert_id not in bedside.alerts:
            # Its message comes in a moment on `alerts`, or is older than what is read there.
            alert = bedside.alerts[last.alert_id] = AlertFold.of(last)
            alert.add(last)
            alert.messages.clear()
        self._note(message.patient_id, is_urgent=True)


def _forget_old(bedside: Bedside, newest_ms: int) -> None:
    for alert_id, alert in list(bedside.alerts.items()):
        if (
            alert is not bedside.alert
            and (alert.ended_ms or newest_ms) < newest_ms - _ALERTS_KEPT_MS
        ):
            del bedside.alerts[alert_id]
