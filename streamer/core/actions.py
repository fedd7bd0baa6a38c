"""A person's answer to an alert, as an event of the patient: the checked fields, and its signature.

An action says what a person does about an alert or a patient. It holds no measurement: it moves no
clock, opens no hour bin and steps no model (`core.responses` takes it into the stay).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypedDict

MAX_ACTION_BYTES: Final = 4 * 1024
MAX_NOTE: Final = 200
MAX_NAME: Final = 128
"""Characters of a user, a name, a role or a station."""
MAX_ALERT_ID: Final = 256
MAX_MINUTES: Final = 7 * 24 * 60
"""More is no length that a person means; what is too long for a snooze is refused by its rule."""
MAX_REVISION: Final = 1_000_000
ACTION_MAC: Final = "action-mac"
"""Header with the HMAC-SHA256 of the record's value, in hexadecimal digits."""
MAC_DIGITS: Final = 64

_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ID_BYTES: Final = 8


class ActionKind(StrEnum):
    """The things that a person can do about an alert or a patient."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    SNOOZE = "snooze"
    RESUME = "resume"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    FEEDBACK = "feedback"


PAUSE_REASONS: Final = ("treated", "comfort_care", "known_cause", "procedure")
VERDICTS: Final = ("true", "false", "unsure")
OF_PATIENT: Final = (ActionKind.PAUSE, ActionKind.UNPAUSE)
"""Actions on a patient; all others are on an alert, which they name."""
_ANSWERS: Final = (ActionKind.ACKNOWLEDGE, ActionKind.UNACKNOWLEDGE, ActionKind.SNOOZE)
"""Actions on one revision of an alert: what has risen since is not answered by them."""
_TIMED: Final = (ActionKind.SNOOZE, ActionKind.PAUSE)


class BadActionError(ValueError):
    """A field of an action is absent or of the wrong type; the text names it."""


class Actor(TypedDict, total=False):
    """The person behind an action; only ``user`` is certain."""

    user: str
    name: str
    role: str
    how: str
    station: str


class ActionContent(TypedDict):
    """An action as it is written to the input topic; what does not belong to its kind is null."""

    type: Literal["action"]
    action: str
    action_id: str
    patient_id: str
    alert_id: str | None
    revision: int | None
    time: str
    minutes: int | None
    reason: str | None
    note: str | None
    verdict: str | None
    actor: Actor
    client: str


_ACTOR: Final = ("user", "name", "role", "how", "station")


@dataclass(frozen=True, slots=True)
class Action:
    """A checked action.

    Attributes:
        kind: what is done.
        action_id: made by the client; the same action may come more than once.
        actor: who does it.
        alert_id: the alert; ``None`` for an action on the patient.
        revision: of the alert as the person saw it; 0 where it does not matter.
        minutes: of a snooze or a pause, else 0.
        reason: a code, empty where there is none.
        note: free text, empty where there is none.
        verdict: of a feedback, else empty.
    """

    kind: ActionKind
    action_id: str
    actor: Actor
    alert_id: str | None
    revision: int
    minutes: int
    reason: str
    note: str
    verdict: str

    @property
    def id_hash(self) -> int:
        """A number of 64 bits that stands for the id, never 0."""
        digest = hashlib.blake2b(self.action_id.encode(), digest_size=_ID_BYTES).digest()
        return int.from_bytes(digest, "little") or 1


def read_action(fields: Mapping[str, object]) -> Action:
    """Reads the fields of an action event.

    Raises:
        BadActionError: one is absent or of the wrong type.
    """
    kind = _kind(fields.get("action"))
    reason = _text(fields, "reason", MAX_NAME)
    if reason and not _REASON.fullmatch(reason):
        raise BadActionError("reason: must be a code of small letters, digits and _")
    if kind is ActionKind.PAUSE and reason not in PAUSE_REASONS:
        raise BadActionError(f"reason: of a pause must be one of {', '.join(PAUSE_REASONS)}")
    if kind is ActionKind.SNOOZE and not reason:
        raise BadActionError("reason: required for a snooze")
    alert_id = _text(fields, "alert_id", MAX_ALERT_ID) or None
    if alert_id is None and kind not in OF_PATIENT:
        raise BadActionError(f"alert_id: required for {kind}")
    verdict = _text(fields, "verdict", MAX_NAME)
    if kind is ActionKind.FEEDBACK and verdict not in VERDICTS:
        raise BadActionError(f"verdict: must be one of {', '.join(VERDICTS)}")
    return Action(
        kind,
        _action_id(fields.get("action_id")),
        _actor(fields.get("actor")),
        alert_id,
        _number(fields, "revision", MAX_REVISION, is_needed=kind in _ANSWERS),
        _number(fields, "minutes", MAX_MINUTES, is_needed=kind in _TIMED),
        reason,
        _text(fields, "note", MAX_NOTE),
        verdict if kind is ActionKind.FEEDBACK else "",
    )


def signature_headers(key: bytes, value: bytes) -> list[tuple[str, bytes]]:
    """The header of an action's record that has its signature; none without a key."""
    return [(ACTION_MAC, sign(key, value))] if key else []


def sign(key: bytes, value: bytes) -> bytes:
    """Returns the header `action-mac` of a record's value.

    >>> sign(b"key", b"{}")[:12]
    b'a777724d943e'
    """
    return hmac.new(key, value, hashlib.sha256).hexdigest().encode()


def is_signed(key: bytes, value: bytes, mac: bytes | None) -> bool:
    """Whether a record's header is that of its value under this key."""
    return mac is not None and hmac.compare_digest(sign(key, value), mac)


def _kind(name: object) -> ActionKind:
    try:
        return ActionKind(name)  # type: ignore[arg-type]  # anything else is refused
    except ValueError:
        raise BadActionError(f"action: must be one of {', '.join(ActionKind)}") from None


def _action_id(text: object) -> str:
    try:
        if isinstance(text, str) and str(uuid.UUID(text)) == text.lower():
            return text.lower()
    except ValueError:
        pass
    raise BadActionError("action_id: must be a UUID")


def _actor(content: object) -> Actor:
    if not isinstance(content, dict):
        raise BadActionError("actor: must be an object")
    actor: Actor = {}
    for name in _ACTOR:
        text = _text(content, name, MAX_NAME, within="actor.")
        if text:
            actor[name] = text
    if "user" not in actor:
        raise BadActionError("actor.user: required")
    return actor


def _text(fields: Mapping[str, object], name: str, most: int, within: str = "") -> str:
    text = fields.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise BadActionError(f"{within}{name}: must be a string")
    if len(text) > most:
        raise BadActionError(f"{within}{name}: has {len(text)} characters, at most {most}")
    return text


def _number(fields: Mapping[str, object], name: str, most: int, *, is_needed: bool) -> int:
    number = fields.get(name)
    if number is None and not is_needed:
        return 0
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= most:
        raise BadActionError(f"{name}: must be an integer from 1 to {most}")
    return number
