"""View of one patient, as the state store and the risk topic know them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final, Required, TypedDict

import msgspec

from streamer.adapters.kafka.read import last_values
from streamer.core.alerts import SEVERITIES
from streamer.core.codec import decode, model_of
from streamer.core.events import MEDICATION_CLASSES
from streamer.core.model import IN_THIS_STAY, SEPSIS
from streamer.core.stays import NEVER, StayTable
from streamer.core.time import MINUTE_MS, rfc3339
from streamer.ports.log import LogUnavailable
from streamer.process import logs
from streamer.process.terminal import table
from streamer.service import bootstrap
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics, service_topics

HISTORY: Final = 24  # risks shown
# A hundred patients with a risk a minute write 6,000 an hour: this reaches back some three hours.
_SEARCHED_RECORDS: Final = 20_000
_SEARCH_S: Final = 5.0  # a person waits for the answer
_PARTICULARS: Final = (
    "patient_id", "ward", "bed", "admission", "discharge", "newest_event", "bin",
)  # fmt: skip


class Alert(TypedDict):
    """The alert as it stands; ``last_start`` is RFC 3339."""

    severity: str
    number: int
    last_start: str | None


class Value(TypedDict):
    """The last value of a variable, and its age at the newest event."""

    variable: str
    value: float
    unit: str
    age_minutes: int


class Risk(TypedDict):
    """One risk message, reduced to when and how high."""

    time: str
    bin: int
    risk: float


class StayView(TypedDict, total=False):
    """The stored stay; times are RFC 3339, ``risk`` is by horizon."""

    ward: str | None
    bed: str | None
    admission: str | None
    discharge: str | None
    newest_event: str | None
    bin: int | None
    risk: dict[str, float] | None
    alert: Alert
    medication: list[str]
    values: list[Value]


class PatientView(StayView, total=False):
    """What is known of a patient; only the required keys where the model is not to be had.

    ``offset`` is that of the event which caused the newest risk.
    """

    patient_id: Required[str]
    partition: Required[int]
    model: Required[str]
    outcome: str
    risk_history: list[Risk]
    offset: int | None


class _RiskMessage(msgspec.Struct):
    """A risk message, as far as a history shows it."""

    time: str
    bin: int
    risk: float
    offset: int


def describe(settings: Settings, patient: str) -> PatientView | None:
    """Collects what is known of a patient, ``None`` if nothing is.

    Raises:
        LogUnavailable: Kafka does not answer, or does not show the input topic.
        StoreUnavailable: Redis does not answer.
    """
    vitals = [topic for topic in service_topics(settings) if topic.name == settings.topic_vitals]
    (status,) = ensure_topics(settings, vitals, create=False)
    if not status.partitions:  # not the same as "nothing is known"
        raise LogUnavailable(f"topic {status.name} {status.fault}")
    store = bootstrap.state_store(settings)
    with contextlib.closing(store):
        stay = store.find(patient, range(status.partitions))
    if stay is None:
        return None
    partition, stored = stay
    model_id = model_of(stored)
    with logs.silenced():
        model = bootstrap.model_library(settings).get(model_id)
    if model is None:
        return {"patient_id": patient, "partition": partition, "model": model_id}
    stays = StayTable(model.architecture, capacity=1, variables=model.variables)
    decode(stays, partition, {patient: stored})
    risks = _history(settings, patient, partition)
    return {
        "patient_id": patient,
        **_stay(stays, stays.slot_of[patient], model.horizons),
        "risk_history": [{"time": risk.time, "bin": risk.bin, "risk": risk.risk} for risk in risks],
        "model": model_id,
        "outcome": model.outcome,
        "partition": partition,
        "offset": risks[-1].offset if risks else None,
    }


def _stay(stays: StayTable, slot: int, horizons: tuple[str, ...]) -> StayView:
    def at(name: str) -> Any:
        return stays[name][slot].tolist()

    newest_ms = at("newest_ms")
    ward, bed = stays.locations[slot]
    risk = at("risk")
    return {
        "ward": ward or None,
        "bed": bed or None,
        "admission": rfc3339(at("origin_ms")) if at("admitted") else None,
        "discharge": None if at("discharge_ms") == NEVER else rfc3339(at("discharge_ms")),
        "newest_event": None if newest_ms == NEVER else rfc3339(newest_ms),
        "bin": at("open_bin") if at("started") else None,
        "risk": dict(zip(horizons, risk, strict=True)) if risk[0] == risk[0] else None,
        "alert": {
            "severity": SEVERITIES[at("alert_severity")],
            "number": at("alert_number"),
            "last_start": rfc3339(at("alert_start_ms")) if at("alert_number") else None,
        },
        "medication": [
            kind for kind, on in zip(MEDICATION_CLASSES, at("medication_on"), strict=True) if on
        ],
        "values": [
            {
                "variable": variable.name,
                "value": float(f"{value:.6g}"),
                "unit": variable.ucum,
                "age_minutes": (newest_ms - measured_ms) // MINUTE_MS,
            }
            for variable, value, measured_ms in zip(
                stays.variables.all, at("last_value"), at("last_ms"), strict=True
            )
            if measured_ms != NEVER
        ],
    }


def _history(settings: Settings, patient: str, partition: int) -> list[_RiskMessage]:
    """Returns the patient's newest risks among the last records of their partition."""
    values = last_values(
        settings.kafka_connection(),
        settings.topic_risk,
        partition,
        patient.encode(),
        n_records=_SEARCHED_RECORDS,
        deadline_s=_SEARCH_S,
    )
    risks = []
    for value in values[-HISTORY:]:
        # what is no risk message was written by something else, and is nothing to show
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            risks.append(msgspec.json.decode(value, type=_RiskMessage))
    return risks


def lines(view: PatientView) -> Iterator[str]:
    """Writes a view for people, a line each."""
    for name in _PARTICULARS:
        if (particular := view.get(name)) is not None:
            yield f"{name.replace('_', ' '):14} {particular}"
    if risk := view.get("risk"):
        by_horizon = ", ".join(f"{horizon} {value:.1%}" for horizon, value in risk.items())
        outcome = view.get("outcome", SEPSIS)
        if outcome.endswith(IN_THIS_STAY):
            by_horizon = f"{next(iter(risk.values())):.1%}"
        yield f"{'risk':14} {outcome}: {by_horizon}"
    if alert := view.get("alert"):
        yield f"{'alert':14} {alert['severity']} ({alert['number']} in this stay)"
    if medication := view.get("medication"):
        yield f"{'medication':14} {', '.join(medication)}"
    if history := view.get("risk_history"):
        yield f"{'risk history':14} {_sparkline([r['risk'] for r in history])}"
    yield (
        f"{'position':14} partition {view['partition']}, offset {view.get('offset')}, "
        f"model {view['model']}"
    )
    if values := view.get("values"):
        rows = [
            (v["variable"], f"{v['value']:g}", v["unit"], _age(v["age_minutes"])) for v in values
        ]
        yield from table(("variable", "value", "unit", "age"), rows, right=(1, 3))


def _age(minutes: int) -> str:
    """Writes an age as hours and minutes; one that lies ahead has a sign.

    >>> _age(65), _age(-5)
    ('1:05 h', '-0:05 h')
    """
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else ''}{hours}:{rest:02d} h"


def _sparkline(risks: list[float]) -> str:
    """Draws risks as blocks between 0 and the highest of them, with the newest in figures.

    >>> _sparkline([0.0, 0.05, 0.1])
    '▁▅█ 10.0%'
    """
    blocks = "▁▂▃▄▅▆▇█"
    top = max(risks) or 1.0
    line = "".join(blocks[round(risk / top * (len(blocks) - 1))] for risk in risks)
    return f"{line} {risks[-1]:.1%}"
