"""The judge: demands of a partition's log, compared with the messages behind each record."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bench.independent_oracle.ledger import HOUR_MS, Event, Record, epoch_ms, read
from bench.independent_oracle.network import HORIZONS, Bundle
from bench.independent_oracle.stays import (
    DAY_MS,
    LATE,
    Alert,
    PhaseTuple,
    Stay,
    measured,
)
from bench.independent_oracle.variables import VITALS

Message = dict[str, Any]  # of `risk` or `alerts`
TOLERANCE: Final = 1e-5
KEPT_DAYS: Final = 15
REMEMBERED: Final = 16  # admissions that may be sent again
PARTICULARS: Final = (
    "event_id", "age", "sex", "icu_type", "hours_since_hospital_admission", "ward", "bed", "label",
)  # fmt: skip
NO_DATA: Final = ("discharge", "transfer", "action")  # begins no stay, moves no day
VITAL_PHASES: Final = ("start", "escalate", "end")
KNOWN_ANSWERS: Final = 8  # one that comes again says nothing
REASONS, LEAST, TOLERANCE_OF_REASONS = 5, 0.01, 2e-3  # three decimals are written


@dataclass
class Answer:
    """The messages behind one record: risks, alerts, and the reason if it was rejected."""

    risks: list[Message] = field(default_factory=list)
    alerts: list[Message] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


@dataclass
class Patient:
    """What is known of a patient."""

    alert: Alert = field(default_factory=Alert)
    stay: Stay | None = None
    seen_day: int = 0
    past_ms: int | None = None
    admissions: list[tuple[object, ...]] = field(default_factory=list)  # the last that were sent
    announced: Event | None = None  # the admission that is ahead
    answers: list[str] = field(default_factory=list)  # ids of the last things that people did


class Judge:
    """Follows one partition; counts what is wrong by kind, with examples.

    Args:
        bundles: every model that may speak, by the twelve digits that messages have.
        interval_ms: the evaluation interval; 0: every event that changes something.
        future_limit_ms: how far an event may lie ahead of its record; ``None``: any way.
        sampled: whether the risks of a patient are computed.
    """

    def __init__(
        self,
        bundles: Mapping[str, Bundle],
        interval_ms: int,
        future_limit_ms: int | None = HOUR_MS,
        sampled: Callable[[str], bool] = lambda _patient: True,
    ) -> None:
        self.faults: Counter[str] = Counter()
        self.checked: Counter[str] = Counter()
        self.examples: list[str] = []
        # Shown in twelve digits.
        self._bundles = {name[:12]: bundle for name, bundle in bundles.items()}
        self._sampled = sampled
        self._interval_ms, self._future_limit_ms = interval_ms, future_limit_ms
        self._patients: dict[str, Patient] = {}
        self._day = 0
        self._position = ""

    def take(self, record: Record, answer: Answer) -> None:
        """Takes the next record of the partition and the messages that name it."""
        self._position = f"{record.partition}/{record.offset}"
        expected: list[PhaseTuple] = []
        good = not record.is_unreadable
        event = read(record, self._future_limit_ms) if good else {"unreadable"}
        reasons = event if isinstance(event, set) else set()
        if isinstance(event, Event):
            known = event.patient in self._patients
            if event.type in NO_DATA and not known:
                reasons = {"no_stay"}
            elif event.type == "action":
                self._equal("evaluation", False, bool(answer.risks))
                self._check_answer(event, self._patients[event.patient], answer)
            else:
                if event.type not in NO_DATA:
                    self._turn_day(record.timestamp_ms // DAY_MS, expected)
                patient = self._patients.setdefault(event.patient, Patient())
                patient.seen_day = max(patient.seen_day, self._day)
                reasons = self._apply(event, patient, answer, expected)
        if bool(reasons) != bool(answer.rejected):
            note = f"{answer.rejected}, not {sorted(reasons)}: {(record.value or b'')[:200]!r}"
            self._equal("rejection", True, False, note)
        self.checked["rejection"] += 1
        if reasons and answer.rejected:
            self._equal("reason", True, {*answer.rejected} <= reasons, f"{answer.rejected}")
        self._equal("several", True, max(len(answer.risks), len(answer.rejected)) < 2)
        self._equal("alert", expected, [_phase_tuple(alert) for alert in _vital(answer)])
        names = {(risk["partition"], risk["offset"]) for risk in answer.risks + answer.alerts}
        self._equal("position", True, names <= {(record.partition, record.offset)})

    def _apply(
        self, event: Event, patient: Patient, answer: Answer, expected: list[PhaseTuple]
    ) -> set[str]:
        due, reason, name = False, None, event.patient
        self._come(event, patient, expected)
        if event.type == "observation":
            if patient.stay is None or patient.stay.leaves(event):
                self._begin(name, patient, event.time_ms, expected, admitted=False)
            stay = patient.stay
            assert stay is not None
            reason, changed = stay.observe(event)
            due = reason is None and self._due(stay, event, changed=changed)
            if not self._sampled(event.patient):
                stay.forget()
        elif event.type == "admission":
            reason = self._admission(event, patient, expected)
        elif event.type == "discharge":
            reason = self._discharge(event, patient, expected)
        elif event.type == "transfer" and patient.stay is None:
            reason = "no_stay"
        elif patient.past_ms is not None and event.time_ms < patient.past_ms:
            reason = "too_late"
        self._equal("evaluation", due, bool(answer.risks))
        if answer.risks and (stay := patient.stay) and stay.first is not None:
            self._check_risk(name, patient, stay, answer, expected)
        return {reason} if reason else set()

    def _begin(
        self,
        name: str,
        patient: Patient,
        time_ms: int,
        expected: list[PhaseTuple],
        *,
        admitted: bool,
    ) -> None:
        """Begins a stay; the one before it, and its alert, are over."""
        stay = patient.stay
        if stay:
            self._end(name, patient, expected, "next_stay")
            over_ms = stay.newest_ms + 1
            if stay.discharge_ms is not None and stay.newest_ms <= stay.discharge_ms:
                over_ms = stay.discharge_ms
            patient.past_ms = min(max(over_ms, stay.origin_ms + 1), time_ms)
        patient.stay = Stay(time_ms, admitted, patient.past_ms)
        patient.stay.admission_ms = time_ms if admitted else None

    def _come(self, event: Event, patient: Patient, expected: list[PhaseTuple]) -> None:
        """What was ahead acts at the first record or event time of the patient at or after it."""
        now_ms, stay = max(event.time_ms, event.record_ms), patient.stay
        if stay and stay.awaited_ms is not None and stay.awaited_ms <= now_ms:
            at_ms, stay.awaited_ms = stay.awaited_ms, None
            if stay.left_ms is None or at_ms > stay.left_ms:
                self._discharged(at_ms, at_ms, event.patient, patient, expected)
        announced = patient.announced
        if announced is None or announced.time_ms > now_ms:
            return
        at_ms, patient.announced = announced.time_ms, None
        if stay and stay.first is not None and not stay.admitted and stay.discharge_ms is None:
            stay.admission_ms = at_ms  # it began meanwhile, and goes on
        elif stay and not stay.ends_before(at_ms):
            if stay.admit(at_ms):
                return  # of a past stay by now
        else:
            self._begin(event.patient, patient, at_ms, expected, admitted=True)
        assert patient.stay is not None
        patient.stay.describe(announced)

    def _admission(self, event: Event, patient: Patient, expected: list[PhaseTuple]) -> str | None:
        words = (event.time_ms, *(str(event.fields.get(name)) for name in PARTICULARS))
        if words in patient.admissions:
            return None
        stay = patient.stay
        if event.time_ms > event.record_ms:
            patient.announced = event
        else:
            if stay is None or stay.leaves(event):
                self._begin(event.patient, patient, event.time_ms, expected, admitted=True)
            elif reason := stay.admit(event.time_ms):
                return reason
            assert patient.stay is not None
            patient.stay.describe(event)
            patient.announced = None
        patient.admissions = [*patient.admissions, words][-REMEMBERED:]
        return None

    def _due(self, stay: Stay, event: Event, *, changed: bool) -> bool:
        if not self._interval_ms:
            return changed
        elapsed_ms = event.time_ms - stay.origin_ms
        interval = elapsed_ms // self._interval_ms * self._interval_ms
        new = stay.evaluated is None or interval > stay.evaluated
        if stay.evaluated is not None and not new:
            apart_ms = abs(event.record_ms - stay.evaluated_record_ms)
            past = interval < stay.evaluated and apart_ms >= self._interval_ms
            closed = stay.bin_of(event.time_ms) < stay.open and any(
                variable not in VITALS or revision for variable, revision, _ in measured(event)
            )
            if not changed or not (closed or past):
                return False
        if new:
            stay.evaluated = interval
        stay.evaluated_record_ms = event.record_ms
        return True

    def _discharge(self, event: Event, patient: Patient, expected: list[PhaseTuple]) -> str | None:
        stay, at_ms = patient.stay, event.time_ms
        if stay is None:
            return "no_stay"
        followed = stay.past_ms is not None and at_ms == stay.origin_ms
        if at_ms < stay.origin_ms or followed:
            return "too_late"
        known = stay.left_ms is not None and at_ms <= stay.left_ms
        if event.fields.get("cancelled") is True:
            if stay.left_ms is None or at_ms >= stay.left_ms:
                stay.left_ms, stay.discharge_ms = at_ms, None
            if stay.awaited_ms is not None and at_ms >= stay.awaited_ms:
                stay.awaited_ms = None
        elif not known and at_ms > event.record_ms:
            stay.awaited_ms = at_ms
        elif not known:
            self._discharged(at_ms, event.record_ms, event.patient, patient, expected)
        return None

    def _discharged(
        self, at_ms: int, record_ms: int, name: str, patient: Patient, expected: list[PhaseTuple]
    ) -> None:
        """Ends the stay, not before what was seen of it up to the record's time."""
        stay = patient.stay
        assert stay is not None
        stay.left_ms = at_ms
        stay.discharge_ms = max(at_ms, min(stay.newest_ms, record_ms))
        if patient.alert.severity:
            patient.alert.locks = False
        self._end(name, patient, expected, "discharge")

    def _end(self, name: str, patient: Patient, expected: list[PhaseTuple], reason: str) -> None:
        if patient.alert.severity:
            expected.append(patient.alert.phase_tuple(name, "end", reason))
            patient.alert.severity = 0

    def _turn_day(self, day: int, expected: list[PhaseTuple]) -> None:
        """Lets patients go of whom the log had nothing for more than fifteen days."""
        if day <= self._day:
            return
        self._day = day
        for name, patient in list(self._patients.items()):
            if self._day - patient.seen_day > KEPT_DAYS:
                self._end(name, patient, expected, "silence")
                del self._patients[name]

    def _check_risk(
        self, name: str, patient: Patient, stay: Stay, answer: Answer, expected: list[PhaseTuple]
    ) -> None:
        risk = answer.risks[0]
        bundle = self._bundles.get(risk["model"][:12])
        if bundle is None:
            self._equal("model", True, False, risk["model"])
            return
        manifest, six = bundle.manifest, risk["risk"]
        self.checked[f"risks of model {risk['model'][:12]}"] += 1
        time_ms = epoch_ms(risk["time"])
        written = (risk["patient_id"], time_ms, risk["bin"], risk["threshold"], risk["positive"])
        wanted = (name, stay.newest_ms, stay.open, manifest["threshold"])
        self._equal("risk message", (*wanted, six > manifest["threshold"]), written)
        horizons = [risk["horizons"][horizon] for horizon in HORIZONS]
        self._equal("horizons", ([six, *horizons[1:]], sorted(horizons)), (horizons, horizons))
        in_stay = stay.discharge_ms is None
        phases = patient.alert.judge(name, six, stay.newest_ms, bundle.policy, in_stay=in_stay)
        expected += phases
        if self._sampled(name) and self._check_numbers(stay, bundle, horizons):
            for alert in _vital(answer):
                if _phase_tuple(alert) in phases:
                    self._check_alert(alert, stay, bundle, risk)

    def _check_numbers(self, stay: Stay, bundle: Bundle, horizons: Sequence[float]) -> bool:
        assert stay.first is not None
        model, begin = str(bundle.manifest["model"]), stay.first - 1
        starts = [begin]
        if stay.model is not None and stay.model[0] == model:
            starts = [stay.model[1], begin]
        elif stay.model is not None:  # a new model took over, at any time since its last word
            starts += [max(b - LATE - 1, begin) for b in range(stay.open - LATE, stay.open + 1)]
        risks: Sequence[float] = ()
        for after in dict.fromkeys(starts):
            risks = stay.step(bundle, after)[2].risks
            if max(abs(a - b) for a, b in zip(risks, horizons, strict=True)) <= TOLERANCE:
                stay.model = (model, after)
                self.checked["risk"] += 1
                return True
        self._equal("risk", risks, horizons)
        return False

    def _check_answer(self, event: Event, patient: Patient, answer: Answer) -> None:
        """What a person does has one phase, or is refused; what comes again says nothing."""
        name, kind = str(event.fields.get("action_id")), event.fields.get("action")
        phases = [alert["phase"] for alert in answer.alerts if alert.get("action_id") == name]
        wanted = int(name not in patient.answers)
        if wanted:
            patient.answers = [*patient.answers, name][-KNOWN_ANSWERS:]
        right = sum(phase in (kind, "refused") for phase in phases)
        self._equal("answer", (wanted, wanted), (len(phases), right), f"{phases} to {kind}")

    def _check_alert(self, alert: Message, stay: Stay, bundle: Bundle, risk: Message) -> None:
        """An alert beside its risk: the same numbers, and the reasons, strongest first."""
        wanted = (risk["risk"], risk["time"], risk["news2"], bundle.policy["medium"])
        named = (alert["risk"], alert["time"], alert["news2"], alert["threshold"])
        self._equal("alert message", wanted, named)
        assert stay.model is not None
        before, row, _ = stay.step(bundle, stay.model[1])
        added = bundle.contributions(before, row, stay.open, stay.static)
        reasons = [(reason["variable"], reason["contribution"]) for reason in alert["reasons"]]
        greatest = sorted((a for a in added.values() if a >= LEAST), reverse=True)[:REASONS]
        if alert["phase"] == "end":
            greatest = []
        right = [abs(added.get(name, math.nan) - a) < TOLERANCE_OF_REASONS for name, a in reasons]
        near = [
            abs(a - b[1]) < TOLERANCE_OF_REASONS for a, b in zip(greatest, reasons, strict=False)
        ]
        self._equal("reasons", len(greatest), sum(right) * all(near), f"{reasons}")

    def _equal(self, kind: str, wanted: object, actual: object, note: str = "") -> None:
        self.checked[kind] += 1
        if wanted != actual:
            self.faults[kind] += 1
            if self.faults[kind] <= 5:
                self.examples.append(
                    f"{self._position} {kind}: {note or f'{wanted} wanted, {actual}'}"
                )


def _vital(answer: Answer) -> list[Message]:
    """The alerts that follow from risks; others may be of no alert: a pause of a patient ends."""
    return [alert for alert in answer.alerts if alert["phase"] in VITAL_PHASES]


def _phase_tuple(alert: Message) -> PhaseTuple:
    name, start, number = str(alert["alert_id"]).rsplit("/", 2)
    same = name == alert["patient_id"] and number.isdecimal()
    number_ = int(number) if same else -1
    return (name, alert["phase"], epoch_ms(start), number_, alert["severity"], alert.get("reason"))
