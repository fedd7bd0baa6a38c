"""Wiring of the canary from its settings, what it refuses to run with, and its port."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from streamer.adapters.kafka.canary import KafkaCanaryLog
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.models import ReadOnlyModels
from streamer.canary.goldens import Goldens
from streamer.canary.process import CanaryProcess
from streamer.canary.series import Series
from streamer.canary.watch import Verdict, Watch
from streamer.core.canary import canary_id
from streamer.core.events import MAX_PATIENT_ID
from streamer.process.environment import Fault
from streamer.service.http import Answer, Routes, as_json, as_metrics
from streamer.service.instance import claim_instance
from streamer.service.models import ModelLibrary
from streamer.service.settings import Settings
from streamer.service.weak_connections import weak_choices

_LARGEST: Final = 9_999  # partition and number of a key, as long as they may get
_STUCK_S: Final = 60.0  # a round waits for Kafka and Redis, some seconds each


def faults(settings: Settings) -> Iterator[Fault]:
    """Yields what the canary refuses to run with; each has the way out."""
    longest = canary_id(settings.instance, _LARGEST, _LARGEST)
    if len(longest) > MAX_PATIENT_ID:
        most = MAX_PATIENT_ID - len(longest) + len(settings.instance)
        yield Fault("STREAMER_INSTANCE", f"is over {most} characters, too long for a patient id")
    if not settings.instance.isprintable():
        yield Fault("STREAMER_INSTANCE", "has characters that nobody sees")
    if settings.canary_late_seconds >= settings.canary_seconds:
        yield Fault(
            "STREAMER_CANARY_LATE_SECONDS",
            f"is {settings.canary_late_seconds:g}, and a canary is lost after "
            f"{settings.canary_seconds:g} (STREAMER_CANARY_SECONDS): set less",
        )
    if settings.require_tls:
        for line in weak_choices(settings):
            yield Fault("STREAMER_REQUIRE_TLS", f"is true: {line}")


def log_of(settings: Settings) -> KafkaCanaryLog:
    """Returns the topics; they are connected when they are first asked."""
    return KafkaCanaryLog(
        settings.kafka_connection,
        settings.topic_vitals,
        settings.topic_risk_canary,
        settings.topic_alerts_canary,
    )


def process_of(
    settings: Settings,
    log: KafkaCanaryLog,
    series: Series,
    heard: Callable[[Verdict], None] = lambda _verdict: None,
    *,
    at_once: bool = False,
) -> CanaryProcess:
    """Returns the loop; nothing is connected yet.

    Args:
        settings: of the command.
        log: the topics.
        series: the metrics.
        heard: called with how each probe ended.
        at_once: whether partitions do not wait for their turns.

    Raises:
        BundleError: the shipped model cannot be used.
    """
    # Services of this host count by themselves: a canary must not move their names.
    instance = settings.instance or claim_instance(f"{settings.group}-canary")
    library = ModelLibrary(ReadOnlyModels(connect(settings.redis)), settings.trust())
    watch = Watch(instance, settings.canary_seconds, settings.canary_late_seconds, at_once=at_once)
    return CanaryProcess(log, Goldens(library, settings.interval_ms), watch, series, heard)


def routes(process: CanaryProcess, series: Series) -> Routes:
    """Returns what the canary's port answers."""

    def healthz() -> Answer:
        age_s = time.monotonic() - process.moved_s
        content = {"alive": age_s < _STUCK_S, "loop_age_seconds": round(age_s, 3)}
        return as_json(content, is_good=age_s < _STUCK_S)

    def readyz() -> Answer:
        reasons = process.reasons
        return as_json({"ready": not reasons, "reasons": reasons}, is_good=not reasons)

    return {
        "/metrics": lambda: as_metrics(series.registry),
        "/healthz": healthz,
        "/readyz": readyz,
    }
