"""`streamer act`: what a person does about an alert, from the command line."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streamer.process.terminal import say, say_json
from streamer.service.settings import Settings

if TYPE_CHECKING:
    from streamer.core.actions import ActionContent

_FIND_S = 20.0


class LastAlert(msgspec.Struct):
    """The last alert of a stay, as far as an action names it."""

    alert_id: str | None = None
    revision: int = 0


class Stay(msgspec.Struct):
    """A record of the topic of stays, as far as an action needs it."""

    partition: int
    alert: LastAlert | None = None


def act(
    patient_id: Annotated[str, typer.Argument(metavar="PATIENT", help="The patient id.")],
    action: Annotated[
        str,
        typer.Argument(
            help="acknowledge, unacknowledge, snooze, resume, pause, unpause or feedback."
        ),
    ],
    user: Annotated[str, typer.Option(help="Who does it.")],
    alert_id: Annotated[
        str | None, typer.Option(help="The alert; default: the patient's last one.")
    ] = None,
    revision: Annotated[
        int | None, typer.Option(min=1, help="Its revision; default: the last one.")
    ] = None,
    minutes: Annotated[
        int | None, typer.Option(min=1, help="Length of a snooze or a pause.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(help="A code; of a pause: treated, comfort_care, known_cause or procedure."),
    ] = None,
    note: Annotated[str | None, typer.Option(help="At most 200 characters.")] = None,
    verdict: Annotated[
        str | None, typer.Option(help="Of a feedback: true, false or unsure.")
    ] = None,
    action_id: Annotated[
        str | None, typer.Option(help="A UUID, to send the same action again; default: a new one.")
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds to wait for the service's answer.")
    ] = 10,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer as one JSON object.")
    ] = False,
) -> None:
    """Answer the alert of a patient, and wait for what comes of it.

    The action is an event on the patient's partition; the service says its phase on the alerts.

    Exits with 1 when it is refused, or not confirmed in time.
    """
    # loads the core and Kafka's client, which the other commands start without
    from streamer.adapters.kafka.action_answers import AnswerReader  # noqa: PLC0415
    from streamer.adapters.kafka.actions import KafkaActionLog  # noqa: PLC0415
    from streamer.core.actions import OF_PATIENT, ActionKind, signature_headers  # noqa: PLC0415
    from streamer.core.time import rfc3339  # noqa: PLC0415

    settings = Settings()
    stay = _stay(settings, patient_id)
    last = stay.alert or LastAlert()
    if (alert_id or last.alert_id) is None and action in set(ActionKind) - {*OF_PATIENT}:
        say(f"Patient {patient_id!r} has had no alert: nothing to {action}.", error=True)
        raise typer.Exit(1)
    content: ActionContent = {
        "type": "action",
        "action": action,
        "action_id": (action_id or str(uuid.uuid4())).lower(),
        "patient_id": patient_id,
        "alert_id": alert_id or last.alert_id,
        "revision": revision or last.revision or None,
        "time": rfc3339(int(time.time() * 1000)),
        "minutes": minutes,
        "reason": reason,
        "note": note,
        "verdict": verdict,
        "actor": {"user": user, "how": "command"},
        "client": "streamer act",
    }
    value = _record(content)
    key = settings.secret("action_key")().encode()
    headers = signature_headers(key, value)
    log = KafkaActionLog(settings.kafka_connection, settings.topic_vitals)
    reader = AnswerReader(settings.kafka_connection(), settings.topic_alerts, stay.partition)
    with closing(log), closing(reader):
        offset = log.append(stay.partition, patient_id.encode(), value, headers, None)
        wanted = content["action_id"]
        answer = reader.wait(lambda message: _answers(message, wanted), wait)
    if answer is None:
        say(
            f"Sent to {settings.topic_vitals}, partition {stay.partition}, offset {offset}, and "
            f"not confirmed within {wait:g} s. Is the service running? `streamer rejected list` "
            "says whether it was rejected. An action that it has seen before has no second answer. "
            f"To send the same one again: --action-id {wanted}",
            error=True,
        )
        raise typer.Exit(1)
    _show(answer, settings, as_json=as_json)


def _stay(settings: Settings, patient_id: str) -> Stay:
    from streamer.adapters.kafka.action_answers import last_value  # noqa: PLC0415 - see `act`
    from streamer.adapters.kafka.read import is_there  # noqa: PLC0415

    connection, topic = settings.kafka_connection(), settings.topic_stays
    value = last_value(connection, topic, patient_id.encode(), _FIND_S)
    if value is None and not is_there(connection, topic):
        say(f"Error: topic {topic} is missing; run `streamer topics`", error=True)
        raise typer.Exit(1)
    try:
        return msgspec.json.decode(value or b"", type=Stay)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        say(f"Nothing is known of patient {patient_id!r} on {topic}.", error=True)
        raise typer.Exit(1) from None


def _record(content: ActionContent) -> bytes:
    """The value of the record; what the service would reject is wrong usage."""
    from streamer.core.actions import BadActionError, read_action  # noqa: PLC0415 - see `act`

    try:
        read_action(content)
    except BadActionError as error:
        raise typer.BadParameter(str(error)) from None
    return json.dumps(content).encode()


def _answers(value: bytes, action_id: str) -> bool:
    try:
        message = json.loads(value)
    except (ValueError, RecursionError):  # of another program
        return False
    return isinstance(message, dict) and message.get("action_id") == action_id


def _show(answer: bytes, settings: Settings, *, as_json: bool) -> None:
    from streamer.cli.alerts import outcomes, read, readable  # noqa: PLC0415 - see `act`

    alert = read(answer)
    if as_json:
        say_json(json.loads(answer))
    else:
        say(readable(alert, outcomes(settings)(alert.model)))
    if alert.refusal is not None:
        from streamer.core.answers import ActionRefusal  # noqa: PLC0415 - see `act`

        if alert.refusal in set(ActionRefusal):  # a newer service may have others
            say(f"Refused: {ActionRefusal(alert.refusal).sentence}", error=True)
        raise typer.Exit(1)
