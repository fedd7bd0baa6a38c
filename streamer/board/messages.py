"""Messages of the topics `risk`, `alerts` and `stays`, as far as the board reads them.

Fields that an older service does not write have defaults: the board lives with what there is.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec

from streamer.core.time import BadTimeError, read_ms

_LARGEST: Final = 2**53 - 1
Integer = Annotated[int, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
"""A number that every page can read; a message with a larger one is none."""


class Actor(msgspec.Struct):
    """The person behind an action."""

    user: str = ""
    name: str | None = None
    role: str | None = None
    how: str | None = None
    station: str | None = None


class MessageReason(msgspec.Struct):
    """One reason of an alert."""

    variable: str
    value: float
    unit: str
    direction: str
    age_minutes: Integer
    contribution: float = 0.0


class Pause(msgspec.Struct):
    """A pause of a patient."""

    reason: str = ""
    until: str | None = None
    by: Actor | str | None = None


class Treated(msgspec.Struct):
    """A running antibiotic."""

    since: str | None = None


class AlertMessage(msgspec.Struct):
    """A message of the topic `alerts`; ``alert_id`` is null for a pause without an alert."""

    patient_id: str
    time: str
    phase: str
    alert_id: str | None = None
    severity: str = "medium"
    risk: float | None = None
    threshold: float | None = None
    reasons: list[MessageReason] = []
    model: str | None = None
    partition: Integer = 0
    offset: Integer = 0
    reason: str | None = None
    revision: Integer | None = None
    acknowledged: Integer | None = None
    state: str | None = None
    respond_by: str | None = None
    snoozed_until: str | None = None
    paused: bool | Pause | None = None
    treated: bool | Treated | None = None
    ward: str | None = None
    bed: str | None = None
    by: Actor | None = None
    action_id: str | None = None
    note: str | None = None
    refusal: str | None = None
    verdict: str | None = None
    action: str | None = None


class RiskData(msgspec.Struct):
    """How much the risk rests on."""

    hours_of_data: Integer = 0
    oldest_vital_minutes: Integer | None = None
    values_missing: list[str] = []


class RiskMessage(msgspec.Struct):
    """A message of the topic `risk`."""

    patient_id: str
    time: str
    risk: float
    bin: Integer = 0
    positive: bool = False
    news2: Integer | None = None
    qsofa: Integer | None = None
    data: RiskData = msgspec.field(default_factory=RiskData)
    last: dict[str, tuple[float, Integer]] = {}
    model: str | None = None
    partition: Integer = 0
    offset: Integer = 0


class StayMessage(msgspec.Struct):
    """A record of the topic `stays`."""

    patient_id: str
    label: str | None = None
    ward: str | None = None
    bed: str | None = None
    age: float | None = None
    sex: str | None = None
    admitted: str | None = None
    discharged: str | None = None
    pause: Pause | None = None
    alert: AlertMessage | None = None
    antibiotic_since: str | None = None
    time: str | None = None
    model: str | None = None
    partition: Integer = 0
    offset: Integer = 0


Message = TypeVar("Message", AlertMessage, RiskMessage, StayMessage)
_DECODERS: Final = {
    kind: msgspec.json.Decoder(kind) for kind in (AlertMessage, RiskMessage, StayMessage)
}


def read(kind: type[Message], value: bytes) -> Message | None:
    """Reads a message; ``None`` for what is none: another program may write to a topic."""
    try:
        return _DECODERS[kind].decode(value)  # type: ignore[return-value]  # by `kind`
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def epoch_ms(time: str | None) -> int | None:
    """Reads a time of a message as epoch milliseconds; ``None`` for none and for what is no time.

    >>> epoch_ms("1970-01-01T00:00:01Z"), epoch_ms(None), epoch_ms("soon")
    (1000, None, None)
    """
    try:
        return None if time is None else read_ms(time)
    except BadTimeError:
        return None
