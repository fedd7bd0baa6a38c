"""Risks of a peer's work and of the service for the same events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson

from streamer import Monitor
from streamer.feeds.message import Message

if TYPE_CHECKING:
    from bench.peers.work import PatientScorer


def risks_of_peer(
    scorer: PatientScorer[Any], events: Iterable[Message]
) -> dict[tuple[str, Any], float]:
    """Risks by patient and time; each patient goes through the store after every event."""
    store: dict[str, bytes] = {}
    risks = {}
    for event in events:
        patient = scorer.open(store.get(event.key))
        message = scorer.take(patient, orjson.dumps(event.value), 0, 0)
        store[event.key] = patient.to_bytes()
        if message is not None:
            risk = json.loads(message)
            risks[risk["patient_id"], risk["time"]] = risk["risk"]
    return risks


def risks_of_service(events: Iterable[Message], interval_s: float) -> dict[tuple[str, Any], float]:
    """The service's risks by patient and time of the event."""
    listed = list(events)
    messages, _ = Monitor(risk_interval_s=interval_s).update_many(e.value for e in listed)
    of_risks = [(listed[m["offset"]], m["risk"]) for m in messages if "horizons" in m]
    return {(event.key, event.value["time"]): risk for event, risk in of_risks}
