"""Canaries for tests: golden stays of small models as events of a log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

from streamer.bundles import known_risks
from streamer.bundles.build import build
from streamer.canary.golden import GoldenStay, golden_stay
from streamer.core.canary import canary_id
from streamer.core.model import Model
from tests.support.fake_service import MINUTE_MS, ORIGIN_MS, Event
from tests.support.small_models import random_bundle


@cache
def golden(seed: int, interval_ms: int = MINUTE_MS) -> tuple[Model, GoldenStay]:
    """A small model that alerts some of its known stays, and its golden stay."""
    bundle = random_bundle(seed)
    model = build(bundle)
    return model, golden_stay(model, known_risks.parse(bundle.known), interval_ms)


def probe(stay: GoldenStay, partition: int, minute: float, instance: str = "i") -> list[Event]:
    """A canary of a partition as events, ``minute`` minutes after the origin of other events."""
    patient = canary_id(instance, partition, 0)
    now_ms = ORIGIN_MS + round(minute * MINUTE_MS)
    return [
        (partition, patient.encode(), json.dumps(event).encode())
        for event in stay.events(patient, now_ms)
    ]


def woven(log: Sequence[Event], probes: Sequence[Sequence[Event]]) -> list[Event]:
    """A log with the events of canaries spread over it, each canary's in their order."""
    woven = list(log)
    gap = max(1, len(log) // (len(probes) + 1))
    for i, events in enumerate(probes):
        for j, event in enumerate(events):  # other events in between
            woven.insert(min(len(woven), (i + 1) * gap + sum(map(len, probes[:i])) + 2 * j), event)
    return woven
