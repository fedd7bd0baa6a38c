"""One patient as the state store and the risk topic know them."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from streamer.core.alerts import SEVERITIES
from streamer.core.codec import decode, model_of
from streamer.core.messages import rfc3339
from streamer.core.network import HORIZONS
from streamer.core.stays import MEDICATION_CLASSES, NEVER, StayTable
from streamer.core.variables import VARIABLES
from streamer.ports.log import LogUnavailable
from streamer.service import bootstrap
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

HISTORY: Final = 24  # risks shown
_LOOK_BACK: Final = 20_000  # records of the risk topic that are searched for them
_SEARCH_S: Final = 5.0
_MINUTE_MS: Final = 60_000


def describe(settings: Settings, patient: str) -> dict[str, Any] | None:
    """Collects what is known of a patient, ``None`` if nothing is.

    Raises:
        LogUnavailable: Kafka does not answer.
        StoreUnavailable: Redis does not answer.
    """
    topics = {topic.name: topic.partitions for topic in ensure_topics(settings, create=False)}
    store = bootstrap.state_store(settings)
    with contextlib.closing(store):
        found = store.find(patient, range(topics[settings.topic_vitals]))
    if found is None:
        return None
    partition, stored = found
    model_id = model_of(stored)
    model = bootstrap.model_library(settings).get(model_id)
    if model is None:
        return {"patient_id": patient, "partition": partition, "model": model_id}
    table = StayTable(model.architecture, capacity=1)
    decode(table, partition, {patient: stored})
    risks = _history(settings, patient, partition)
    last = risks[-1] if risks else None
    return {
        "patient_id": patient,
        **_stay(table, table.slot_of[patient]),
        "risk_history": [{name: risk[name] for name in ("time", "bin", "risk")} for risk in risks],
        "model": model_id,
        "partition": partition,
        "offset": last["offset"] if last else None,
    }


def _stay(table: StayTable, slot: int) -> dict[str, Any]:
    def at(name: str) -> Any:
        return table[name][slot].tolist()

    newest_ms = at("newest_ms")
    ward, bed = table.locations[slot]
    risk = at("risk")
    return {
        "ward": ward or None,
        "bed": bed or None,
        "admission": rfc3339(at("origin_ms")) if at("admitted") else None,
        "discharge": None if at("discharge_ms") == NEVER else rfc3339(at("discharge_ms")),
        "newest_event": None if newest_ms == NEVER else rfc3339(newest_ms),
        "bin": at("open_bin") if at("started") else None,
        "risk": dict(zip(HORIZONS, risk, strict=True)) if risk[0] == risk[0] else None,
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
                "age_minutes": (newest_ms - measured_ms) // _MINUTE_MS,
            }
            for variable, value, measured_ms in zip(
                VARIABLES, at("last_value"), at("last_ms"), strict=True
            )
            if measured_ms != NEVER
        ],
    }


def _history(settings: Settings, patient: str, partition: int) -> list[dict[str, Any]]:
    """The patient's newest risks among the last records of their partition."""
    key = patient.encode()
    risks: list[dict[str, Any]] = []
    try:
        consumer = KafkaConsumer(
            **settings.kafka_connection(),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        with contextlib.closing(consumer):
            tp = TopicPartition(settings.topic_risk, partition)
            consumer.assign([tp])
            first, end = consumer.beginning_offsets([tp])[tp], consumer.end_offsets([tp])[tp]
            consumer.seek(tp, max(first, end - _LOOK_BACK))
            give_up_at = time.monotonic() + _SEARCH_S
            while consumer.position(tp) < end and time.monotonic() < give_up_at:
                for record in consumer.poll(timeout_ms=200, max_records=2_000).get(tp, []):
                    if record.key == key:
                        risks.append(json.loads(record.value))
    except (KafkaError, OSError) as error:
        raise LogUnavailable(f"Kafka: {type(error).__name__}: {error}") from error
    return risks[-HISTORY:]


def render(description: dict[str, Any], console: Console) -> None:
    """Prints a portrait for people."""
    for name in ("patient_id", "ward", "bed", "admission", "discharge", "newest_event", "bin"):
        if description.get(name) is not None:
            console.print(f"{name.replace('_', ' '):14} {description[name]}", highlight=False)
    if risk := description.get("risk"):
        said = ", ".join(f"{horizon} {value:.1%}" for horizon, value in risk.items())
        console.print(f"{'sepsis risk':14} {said}", highlight=False)
    if alert := description.get("alert"):
        console.print(
            f"{'alert':14} {alert['severity']} ({alert['number']} in this stay)", highlight=False
        )
    if history := description.get("risk_history"):
        console.print(f"{'risk history':14} {_sparkline([r['risk'] for r in history])}")
    console.print(
        f"{'position':14} partition {description['partition']}, "
        f"offset {description.get('offset')}, "
        f"model {description['model']}",
        highlight=False,
    )
    if values := description.get("values"):
        table = Table("variable", "value", "unit", "age", box=None)
        for value in values:
            hours, minutes = divmod(value["age_minutes"], 60)
            table.add_row(
                value["variable"], f"{value['value']:g}", value["unit"], f"{hours}:{minutes:02d} h"
            )
        console.print(table)


def _sparkline(risks: list[float]) -> str:
    """Risks as a line of blocks, from 0 to the highest of them, and the newest in figures.

    >>> _sparkline([0.0, 0.05, 0.1])
    '▁▅█ 10.0%'
    """
    blocks = "▁▂▃▄▅▆▇█"
    top = max(risks) or 1.0
    line = "".join(blocks[round(risk / top * (len(blocks) - 1))] for risk in risks)
    return f"{line} {risks[-1]:.1%}"
