"""An action as people send it, checked, and as the record that it becomes on the input topic."""

from __future__ import annotations

import msgspec
import orjson

from streamer.board.people import Person
from streamer.board.refusals import Refused
from streamer.core.actions import (
    MAX_ACTION_BYTES,
    MAX_NAME,
    OF_PATIENT,
    ActionContent,
    BadActionError,
    read_action,
    signature_headers,
)
from streamer.core.time import rfc3339


class ActionRequest(msgspec.Struct):
    """The body of the request; an actor in it is not read.

    ``user`` and ``pin`` prove who acts at a kiosk.
    """

    action: str
    action_id: str
    patient_id: str
    alert_id: str | None = None
    revision: int | None = None
    minutes: int | None = None
    reason: str | None = None
    note: str | None = None
    verdict: str | None = None
    user: str | None = None
    pin: str | None = None

    @property
    def needs_alert(self) -> bool:
        """Whether it is about an alert, rather than the patient."""
        return self.action not in OF_PATIENT


def read_request(body: bytes) -> ActionRequest:
    """Reads a request.

    Raises:
        Refused: it is none.
    """
    try:
        return msgspec.json.decode(body, type=ActionRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, "body", f"This is no action: {error}") from None


def write_record(
    asked: ActionRequest, person: Person, time_ms: int, client: str, station: str
) -> bytes:
    """Returns the value of the record.

    Args:
        asked: the action.
        person: who acts, by the session.
        time_ms: the board's time, epoch milliseconds.
        client: program and version.
        station: where the person sits.

    Raises:
        Refused: the streamer would reject it; the text names the field.
    """
    content: ActionContent = {
        "type": "action",
        "action": asked.action,
        "action_id": asked.action_id.lower(),
        "patient_id": asked.patient_id,
        "alert_id": asked.alert_id,
        "revision": asked.revision,
        "time": rfc3339(time_ms),
        "minutes": asked.minutes,
        "reason": asked.reason,
        "note": asked.note,
        "verdict": asked.verdict,
        "actor": {
            "user": person.user[:MAX_NAME],
            "name": person.name[:MAX_NAME],
            "role": person.role.word,
            "how": person.how,
            "station": station[:MAX_NAME],
        },
        "client": client,
    }
    try:
        read_action(content)
        value = orjson.dumps(content)
    except (BadActionError, orjson.JSONEncodeError) as error:
        raise Refused(400, "action", str(error)) from None
    if len(value) > MAX_ACTION_BYTES:
        raise Refused(400, "action", f"it has {len(value)} bytes, at most {MAX_ACTION_BYTES}")
    return value


def headers(key: bytes, value: bytes) -> list[tuple[str, bytes]]:
    """Returns the headers of the record, with its signature if there is a key."""
    return [("content-type", b"application/json"), *signature_headers(key, value)]
