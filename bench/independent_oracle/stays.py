"""One patient by the documents: what a record does to the stay and when it must be evaluated."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from bench.independent_oracle.ledger import HOUR_MS, Event
from bench.independent_oracle.network import Bundle, Memory, Row, State, Step
from bench.independent_oracle.variables import INDEX, cleaned, single

LATE, SILENT, DAY_MS = 48, 336, 24 * HOUR_MS
MOMENTS: Final = 2
UNKNOWN: Final = (math.nan,) * 4
Moment = tuple[int, int, float]  # time, revision, value; a withdrawn one has less than any value
PhaseTuple = tuple[str, str, int | None, int, str, str | None]
"""Patient, phase, start, number, severity, reason of an end."""
SEVERITIES: Final = ("none", "medium", "high")
_WITHDRAWN: Final = -math.inf
_SEX: Final = {"female": 0.0, "male": 1.0}
_ICU: Final = {"medical": 0.0, "surgical": 1.0, "other": 2.0}


@dataclass
class Stay:
    """A stay: its hours as moments by bin and variable, its particulars, when it was evaluated.

    ``steps`` are steps by model and by the bin after which h and c began at 0.
    """

    origin_ms: int
    admitted: bool
    past_ms: int | None = None
    first: int | None = None
    open: int = 0
    newest_ms: int = 0
    discharge_ms: int | None = None
    awaited_ms: int | None = None  # of a discharge that is ahead
    left_ms: int | None = None  # of the last discharge that acted or was cancelled
    admission_ms: int | None = None
    static: tuple[float, ...] = UNKNOWN
    moments: dict[int, dict[int, list[Moment]]] = field(default_factory=dict)
    evaluated: int | None = None  # start of the interval, since the origin
    evaluated_record_ms: int = 0
    model: tuple[str, int] | None = None
    steps: dict[tuple[str, int], dict[int, Step]] = field(default_factory=dict)

    def bin_of(self, time_ms: int) -> int:
        """The hour bin of a time."""
        return (time_ms - self.origin_ms) // HOUR_MS

    def leaves(self, event: Event) -> bool:
        """Whether an event begins another stay."""
        if event.type == "observation":
            over = self.discharge_ms is not None and event.time_ms >= self.discharge_ms + DAY_MS
            return over or self.bin_of(event.time_ms) - self.open > SILENT
        return event.type == "admission" and self.ends_before(event.time_ms)

    def ends_before(self, time_ms: int) -> bool:
        """Whether an admission of a time is the next stay's: later than all, and not known."""
        known = time_ms == self.admission_ms or time_ms <= max(self.newest_ms, self.origin_ms)
        return not known and (self.discharge_ms is None or time_ms >= self.discharge_ms)

    def observe(self, event: Event) -> tuple[str | None, bool]:
        """Takes an observation: the reason of its rejection, and whether it changed anything."""
        at = self.bin_of(event.time_ms)
        if at < 0 and self.admitted:
            return "before_admission", False
        of_past = self.past_ms is not None and at < 0 and event.time_ms <= self.past_ms
        if self.first is not None and (of_past or at < self.open - LATE):
            return "too_late", False
        if self.discharge_ms is not None and event.time_ms > self.discharge_ms:
            self.discharge_ms = None
        changed = self.first is None or event.time_ms > self.newest_ms
        self.newest_ms = max(self.newest_ms, event.time_ms)
        if self.first is None or at < self.first:
            self.first = at
            self.steps.clear()
        self.open = max(self.open, at)
        for variable, revision, value in measured(event):
            changed |= self._put(at, variable, (event.time_ms, revision, value))
        return None, changed

    def _put(self, at: int, variable: int, moment: Moment) -> bool:
        moments = self.moments.setdefault(at, {}).setdefault(variable, [])
        of_time = [known for known in moments if known[0] == moment[0]]
        if any(known >= moment for known in of_time):
            return False
        shown = _shown(moments)
        moments[:] = sorted([m for m in moments if m not in of_time] + [moment])[-MOMENTS:]
        if _shown(moments) == shown:
            return False
        for steps in self.steps.values():
            for later in [b for b in steps if b >= at]:
                del steps[later]
        return True

    def admit(self, time_ms: int) -> str | None:
        """Takes the time of an admission of this very stay."""
        if self.past_ms is not None and time_ms < self.past_ms:
            return "too_late"
        if time_ms < self.origin_ms - SILENT * HOUR_MS:
            return "too_late"
        if time_ms != self.admission_ms:
            if self.first is None:
                self.origin_ms, self.admitted = time_ms, True
            elif time_ms <= self.newest_ms:
                self._rebin(time_ms)
            self.admission_ms = time_ms
        return None

    def describe(self, event: Event) -> None:
        """Takes the particulars of an admission; those that it does not give stay."""
        self.static = particulars(event, self.static)
        self.steps.clear()

    def _rebin(self, origin_ms: int) -> None:
        """Lays the hours anew from the true admission, if all of them can still change."""
        assert self.first is not None
        rows = list(self.moments.values())
        times = [moment[0] for row in rows for moments in row.values() for moment in moments]
        begun = () if self.admitted else (self.origin_ms,)  # the time of an event
        seen = [t for t in (*begun, self.newest_ms, *times) if t >= origin_ms]
        first, last = ((t - origin_ms) // HOUR_MS for t in (min(seen), self.newest_ms))
        if max(last - first, self.open - self.first) > LATE:
            return
        self.moments = {}
        self.origin_ms, self.admitted, self.first, self.open = origin_ms, True, first, last
        self.evaluated = self.newest_ms - origin_ms
        self.steps.clear()
        for row in rows:
            for variable, moments in row.items():
                for moment in moments:
                    if moment[0] >= origin_ms:
                        self._put(self.bin_of(moment[0]), variable, moment)

    def step(self, bundle: Bundle, after: int) -> tuple[State, Row, Step]:
        """The evaluation of the open bin: the state before it, its row, the step.

        ``after``: the bin after which h and c began at 0.
        """
        assert self.first is not None
        steps = self.steps.setdefault((str(bundle.manifest["model"]), after), {})
        known = max((b for b in steps if b < self.open), default=after)
        if known == after:
            memory = Memory()
            for b in range(self.first, after + 1):
                memory = memory.after(self._row(b))
            state = bundle.start(memory)
        else:
            state = steps[known].after
        for b in range(known + 1, self.open):
            steps[b] = bundle.step(state, self._row(b), b, self.static)
            state = steps[b].after
        row = self._row(self.open)
        steps[self.open] = bundle.step(state, row, self.open, self.static)
        return state, row, steps[self.open]

    def _row(self, at: int) -> Row:
        row = {}
        for variable, moments in self.moments.get(at, {}).items():
            if moments and (value := _shown(moments)[-1][2]) != _WITHDRAWN:
                row[variable] = value
        return row

    def forget(self) -> None:
        """Drops the hours that nothing can change any more, for a stay whose risks nobody asks."""
        for at in [b for b in self.moments if b < self.open - LATE]:
            del self.moments[at]


def _shown(moments: list[Moment]) -> list[Moment]:
    """The newest moment, and the ones before it down to the first that is not withdrawn."""
    shown: list[Moment] = []
    for moment in reversed(moments):
        shown.append(moment)
        if moment[2] != _WITHDRAWN:
            break
    return shown


def particulars(event: Event, known: tuple[float, ...]) -> tuple[float, ...]:
    """Age, sex, kind of ICU, hours in the hospital before; what is missing stays as it was."""
    fields = event.fields
    new = (
        _number(fields.get("age"), 0, 120), _SEX.get(str(fields.get("sex")), math.nan),
        _ICU.get(str(fields.get("icu_type")), math.nan),
        _number(fields.get("hours_since_hospital_admission"), -87_840, 87_840),
    )  # fmt: skip
    return tuple(o if math.isnan(n) else n for n, o in zip(new, known, strict=True))


def measured(event: Event) -> list[tuple[int, int, float]]:
    """Variable, revision and value of what an observation measures, corrects or withdraws."""
    values, units = event.fields["values"], event.fields.get("units") or {}
    revision = event.fields.get("revision") or 0
    assert isinstance(values, dict)
    assert isinstance(units, dict)
    assert isinstance(revision, int)
    result = []
    for name, value in values.items():
        number = cleaned(name, value, units.get(name))
        if value is None and revision and name in INDEX:
            number = _WITHDRAWN
        if number is not None:
            result.append((INDEX[name], revision, number))
    return result


@dataclass
class Alert:
    """A patient's alert, replayed from the published risks (`docs/model.md`, section 6)."""

    severity: int = 0
    peak: int = 0
    number: int = 0
    start_ms: int | None = None
    locks: bool = True  # not if a discharge ended it

    def phase_tuple(self, patient: str, phase: str, reason: str | None = None) -> PhaseTuple:
        """What a message of this alert says."""
        return (patient, phase, self.start_ms, self.number, SEVERITIES[self.severity], reason)

    def judge(
        self, patient: str, risk: float, time_ms: int, policy: dict[str, float], *, in_stay: bool
    ) -> list[PhaseTuple]:
        """What a published risk does to the alert: nothing, or one phase."""
        level = (risk > policy["medium"]) + (risk > policy["high"])
        recent = self.start_ms is not None and time_ms - self.start_ms < 12 * HOUR_MS
        locked = recent and self.locks
        if not self.severity:
            if not (level and in_stay) or (locked and level <= self.peak):
                return []
            self.severity, self.peak, self.locks = level, level, True
            self.number, self.start_ms = self.number + 1, time_ms
            return [self.phase_tuple(patient, "start")]
        if risk < policy["off"] or not in_stay:
            end, self.severity = self.phase_tuple(patient, "end", "risk"), 0
            return [end]
        if level > self.severity:
            self.severity, self.peak = level, max(self.peak, level)
            return [self.phase_tuple(patient, "escalate")]
        return []


def _number(value: object, low: float, high: float) -> float:
    if isinstance(value, str) and value.strip() == "> 89":
        return 90.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return single(float(value)) if low <= value <= high else math.nan
