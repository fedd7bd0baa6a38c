"""The JSON of the board's API, field by field: times are RFC 3339 in UTC, missing things null."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

CardState = Literal[
    "none", "open", "acknowledged", "snoozed", "paused", "ended_unseen", "closed"
]  # fmt: skip


class Reason(TypedDict):
    """One reason of an alert, as its message has it."""

    variable: str
    value: float
    unit: str
    age_minutes: int
    direction: str
    contribution: float


class CardAlert(TypedDict):
    """The newest alert of a patient, and the response to it."""

    alert_id: str
    revision: int
    acknowledged: int
    severity: str
    on: bool
    started: str
    changed: str
    ended: str | None
    risk: float | None
    threshold: float | None
    respond_by: str | None
    snoozed_until: str | None
    overdue: bool
    acknowledged_by: str | None
    acknowledged_time: str | None
    reasons: list[Reason]
    phase: str


class CardRisk(TypedDict):
    """The newest risk; ``threshold`` is that of alerts where it is known."""

    value: float
    time: str
    bin: int
    threshold: float | None
    positive: bool
    trend: Literal["up", "down", "flat"]
    hours_of_data: int
    indeterminate: bool


class CardPause(TypedDict):
    """Why alerts of the patient make no sound, and until when."""

    reason: str
    until: str | None
    by: str | None


class CardTreated(TypedDict):
    """Since when an antibiotic runs."""

    since: str | None


class Answer(TypedDict):
    """What became of an action: its phase, and why it was refused."""

    action_id: str
    phase: str
    refusal: str | None


class Card(TypedDict):
    """One patient on the ward."""

    patient: str
    label: str | None
    ward: str | None
    bed: str | None
    age: float | None
    sex: str | None
    admitted: str | None
    discharged: str | None
    partition: int
    state: CardState
    alert: CardAlert | None
    paused: CardPause | None
    treated: CardTreated | None
    risk: CardRisk | None
    series: list[tuple[int, float]]
    news2: int | None
    qsofa: int | None
    last: dict[str, tuple[float, int]]
    last_contact: str | None
    model: str | None
    answers: list[Answer]


class Counts(TypedDict):
    """Beds, and unanswered alerts, of what a viewer may see."""

    beds: int
    high: int
    medium: int
    overdue: int


class Limits(TypedDict):
    """Rules of the response, in seconds."""

    respond_high: float
    respond_medium: float
    snooze_max: float
    snooze_max_high: float
    pause_max: float


class System(TypedDict):
    """Whether the board can be believed; a ``_since`` is null while all is well.

    ``outcome`` is what the risks of ``model`` are of, in words; null while that is unknown.
    """

    time: str
    clock: Literal["wall", "log"]
    log_time: str | None
    kafka: Literal["ok", "away"]
    kafka_since: str | None
    scoring: Literal["ok", "stopped"]
    scoring_since: str | None
    feed: Literal["ok", "silent"]
    feed_since: str | None
    history: Literal["ok", "away"]
    model: str | None
    outcome: str | None
    zone: str
    auth: Literal["session", "proxy", "none"]
    stale_minutes: int
    privacy: bool
    sound: bool
    counts: Counts
    version: str
    settings: Limits


class Identity(TypedDict):
    """Who a session is; ``wards`` is null where all are open."""

    user: str
    name: str
    role: str
    kiosk: bool
    expires: str | None
    wards: list[str] | None


class By(TypedDict):
    """The person behind an action."""

    user: str
    name: str | None
    role: str | None
    how: str | None
    station: str | None


class AlertEntry(TypedDict):
    """One message of an alert's history."""

    time: str
    phase: str
    severity: str
    by: By | None
    note: str | None
    refusal: str | None
    revision: int


class PatientAlert(TypedDict):
    """One alert of a patient, from its start."""

    alert_id: str
    started: str
    ended: str | None
    severity: str
    messages: list[AlertEntry]


class Value(TypedDict):
    """The last value of a variable, and the reference range of adults."""

    variable: str
    value: float
    unit: str
    time: str
    low: float | None
    high: float | None


class PastRisk(TypedDict):
    """A risk of an earlier hour."""

    time: str
    risk: float


class PatientDetail(Card):
    """One patient in full."""

    values: list[Value]
    history: list[PastRisk]
    vitals: dict[str, list[tuple[int, float]]]
    alerts: list[PatientAlert]
    history_available: bool


class WardAlert(TypedDict):
    """One alert of the last hours."""

    patient: str
    label: str | None
    ward: str | None
    bed: str | None
    alert_id: str
    severity: str
    started: str
    ended: str | None
    state: CardState
    acknowledged_by: str | None
    acknowledged_time: str | None
    risk: float | None
    reasons: list[Reason]


class AuditRow(TypedDict):
    """One action and what became of it."""

    time: str
    user: str
    name: str | None
    role: str | None
    action: str
    patient: str
    alert_id: str | None
    revision: int | None
    reason: str | None
    note: str | None
    outcome: str
    action_id: str | None


class Verdicts(TypedDict):
    """What people said of alerts; ``ppv`` is of true among true and false."""

    n: int
    true: int
    false: int
    unsure: int
    ppv: float | None


class BurdenDay(TypedDict):
    """One day of the burden; ``day`` is a date in UTC."""

    day: str
    starts: int
    overdue: int


class Burden(TypedDict):
    """What the alerts ask of the people of the ward."""

    days: int
    beds: int
    starts: int
    bed_days: float
    starts_per_bed_day: float | None
    acknowledge_p50_s: float | None
    acknowledge_p90_s: float | None
    overdue_share: float | None
    verdicts: Verdicts
    model_ppv: float | None
    model_ppv_source: str | None
    by_day: list[BurdenDay]


class Problem(TypedDict):
    """Why a request was refused: a code for programs, words for people."""

    error: str
    detail: str
    action_id: NotRequired[str]
