"""`streamer alerts`: follow the alert topic, readable or as JSON lines."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, Final

import msgspec
import typer

from streamer.adapters.kafka.read import follow, is_there
from streamer.core.model import IN_THIS_STAY, SEPSIS
from streamer.process.signals import stop_on_signal
from streamer.process.terminal import NOTHING, say, say_json
from streamer.service.settings import Settings

_PHASE: Final = len("unacknowledge")  # the longest phase
_LOOK_AGAIN_S: Final = 1.0  # for a topic that is missing
UNKNOWN_OUTCOME: Final = "risk"
"""Of a model that is neither shipped nor published any more, or without Redis."""


class AlertReason(msgspec.Struct):
    """A reason of an alert, as far as a line shows it."""

    variable: str
    value: float
    unit: str
    direction: str
    age_minutes: int


class Person(msgspec.Struct):
    """The person behind a phase."""

    user: str = NOTHING


class Alert(msgspec.Struct):
    """An alert message, as far as a line shows it; later versions may leave out what has defaults.

    What people do about an alert is a message of the same topic, and has less.
    """

    time: str
    phase: str
    patient_id: str
    severity: str = NOTHING
    risk: float | None = None
    threshold: float | None = None
    horizon_hours: int = 6
    model: str | None = None
    news2: int | None = None
    reasons: list[AlertReason] = []
    state: str | None = None
    by: Person | None = None
    reason: str | None = None
    minutes: float | None = None
    verdict: str | None = None
    note: str | None = None
    refusal: str | None = None


def alerts(
    from_beginning: Annotated[
        bool,
        typer.Option(
            "--from-beginning",
            help="Start with the oldest alert that is kept; default: new ones only.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the messages, one JSON object a line.")
    ] = False,
) -> None:
    """Follow the alerts until Ctrl-C, readable or as JSON lines.

    A record that is no alert is passed over, and standard error says so; also that Kafka is away.
    A topic that is missing is waited for.
    """
    with stop_on_signal() as stop:
        show_alerts(Settings(), from_beginning=from_beginning, as_json=as_json, stop=stop)


def show_alerts(
    settings: Settings, *, from_beginning: bool, as_json: bool, stop: threading.Event
) -> None:
    """Prints alerts as lines until ``stop`` is set.

    Raises:
        LogUnavailable: no broker answers.
    """
    outcome_of = outcomes(settings)
    for value in _values(settings, from_beginning=from_beginning, stop=stop):
        try:
            alert = read(value)
        except ValueError as error:
            say(f"A record of {settings.topic_alerts} is no alert: {error}", error=True)
            continue
        if as_json:
            say_json(json.loads(value or b""))
        else:
            say(readable(alert, outcome_of(alert.model)))


def outcomes(settings: Settings) -> Callable[[str | None], str]:
    """Returns what the risks of a model are of, in words, by the id that its messages show.

    Each model is looked for once. `risk` stands for one that is not to be had.
    """

    @cache
    def outcome_of(model: str | None) -> str:
        if model is None:
            return SEPSIS
        # Until a message comes, neither bundles nor Redis are needed.
        from streamer.service import bootstrap  # noqa: PLC0415
        from streamer.service.model_facts import ModelShelf  # noqa: PLC0415

        shelf = ModelShelf(lambda: bootstrap.model_channel(settings))
        return shelf.read(model).outcome or UNKNOWN_OUTCOME

    return outcome_of


def _values(
    settings: Settings, *, from_beginning: bool, stop: threading.Event
) -> Iterator[bytes | None]:
    connection, topic = settings.kafka_connection(), settings.topic_alerts
    if not is_there(connection, topic):
        say(
            f"Topic {topic} is missing: waiting for it. `streamer topics` makes it, and so does "
            "`streamer run`; else look at STREAMER_TOPIC_ALERTS",
            error=True,
        )
        while not is_there(connection, topic):
            if stop.wait(_LOOK_AGAIN_S):
                return
        from_beginning = True  # whatever it has by now is new
    yield from follow(
        connection, topic, stop, from_beginning=from_beginning, note=_say_whether_away
    )


def _say_whether_away(why: str) -> None:
    words = f"No alert can come now. {why}" if why else "Kafka answers again."
    say(words, error=True)


def read(value: bytes | None) -> Alert:
    """Reads an alert message.

    Raises:
        ValueError: it is none; the text says why.
    """
    if value is None:
        raise ValueError("it has no value")
    try:
        return msgspec.json.decode(value, type=Alert)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def readable(alert: Alert, outcome: str = SEPSIS) -> str:
    """Writes an alert on one line for people; ``outcome`` is that of its model."""
    risk = _risk(alert, outcome)
    fields = [
        alert.time,
        f"{alert.phase:{_PHASE}} {alert.severity:6} {alert.patient_id:12} {risk}",
        f"NEWS2 {NOTHING if alert.news2 is None else alert.news2}",
    ]
    if alert.by is not None:
        fields.append(f"by {alert.by.user}")
    if alert.refusal is not None:
        fields.append(f"refused: {alert.refusal}")
    if alert.minutes is not None:
        fields.append(f"{alert.minutes:g} min")
    if alert.verdict is not None:
        fields.append(f"verdict: {alert.verdict}")
    if alert.reason is not None:
        fields.append(alert.reason)
    if alert.state is not None:
        fields.append(alert.state)
    if alert.note:
        fields.append(repr(alert.note))
    if alert.reasons:
        fields.append(", ".join(map(_reason, alert.reasons)))
    return "  ".join(fields)


def _risk(alert: Alert, outcome: str) -> str:
    risk = NOTHING if alert.risk is None else f"{alert.risk:.1%}"
    horizon = "" if outcome.endswith(IN_THIS_STAY) else f" within {alert.horizon_hours} h"
    text = f"{outcome}{horizon}: {risk}"
    return text if alert.threshold is None else f"{text} (alert above {alert.threshold:.1%})"


def _reason(reason: AlertReason) -> str:
    unit = "" if reason.unit == "1" else f" {reason.unit}"
    age = f"{reason.age_minutes} min"
    return f"{reason.variable} {reason.value:g}{unit} ({reason.direction}, {age})"
