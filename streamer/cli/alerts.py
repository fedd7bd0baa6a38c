"""`streamer alerts`: follow the alert topic, readable or as JSON lines."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from streamer.adapters.kafka.read import follow
from streamer.process.signals import stop_on_signal
from streamer.service.settings import Settings


def alerts(
    from_beginning: Annotated[
        bool,
        typer.Option(
            "--from-beginning",
            help="Start with the oldest alert that is kept; default: new ones only.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the messages as they are, one JSON object a line.")
    ] = False,
) -> None:
    """Follow the alerts until Ctrl-C, readable or as JSON lines."""
    with stop_on_signal() as stop:
        for line in follow_alerts(
            Settings(), from_beginning=from_beginning, as_json=as_json, stop=stop
        ):
            print(line, flush=True)


def follow_alerts(
    settings: Settings, *, from_beginning: bool, as_json: bool, stop: threading.Event
) -> Iterator[str]:
    """Yields alerts as lines until ``stop`` is set.

    Raises:
        LogUnavailable: no broker answers.
    """
    connection = settings.kafka_connection()
    for value in follow(connection, settings.topic_alerts, stop, from_beginning=from_beginning):
        yield value.decode() if as_json else readable(value)


def readable(value: bytes) -> str:
    """Writes an alert message on one line for people."""
    alert: Mapping[str, Any] = json.loads(value)
    reasons = ", ".join(
        f"{reason['variable']} {reason['value']:g} {reason['unit']} ({reason['direction']}, "
        f"{reason['age_minutes']} min)"
        for reason in alert["reasons"]
    )
    news2 = "-" if alert["news2"] is None else alert["news2"]
    return (
        f"{alert['time']}  {alert['phase']:9} {alert['severity']:6} {alert['patient_id']:12} "
        f"sepsis within {alert['horizon_hours']} h: {alert['risk']:.1%} "
        f"(alert above {alert['threshold']:.1%})  NEWS2 {news2}"
        + (f"  {reasons}" if reasons else "")
    )
