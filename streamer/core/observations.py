"""The plain observations of a batch, decoded at once; what is not plain is left to `events.parse`.

What is read here is what `parse` would say of the same bytes. Wherever that is not certain, be it
that the event is bad or that it is of a rarer kind, nothing is said and `parse` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from streamer.core.events import MAX_PATIENT_ID, Event, Kind, Refused, milliseconds
from streamer.core.time import LATEST_MS, milliseconds_of

# What msgspec passes over unread may be refused by `parse`: nested over 200 deep, a number of more
# than 4,300 digits, or not UTF-8. Values this short cannot hold the first two.
_SHORT_BYTES: Final = 400
_PLAIN_BYTES: Final = 4_000
_PLAIN_BRACKETS: Final = 100
_FEW: Final = 24  # up to this many, times are quicker read one by one


class Keyed(Protocol):
    """A record, as far as its event is in it."""

    @property
    def key(self) -> bytes | None: ...  # noqa: D102

    @property
    def value(self) -> bytes | None: ...  # noqa: D102


class Observation(Struct, gc=False):
    """An observation as it came; all fields that `parse` judges, so that none slips through."""

    patient_id: str
    time: str | int
    values: dict[str, float | None]
    units: dict[str, str] | None = None
    type: Literal["observation"] = "observation"
    event_id: str | int | None = None
    source: str | None = None
    received_time: str | int | None = None
    age: float | None = None
    sex: Literal["female", "male", "other", "unknown"] | None = None
    icu_type: Literal["medical", "surgical", "other", "unknown"] | None = None
    hours_since_hospital_admission: float | None = None
    ward: str | None = None
    bed: str | None = None
    drug: str | UnsetType = UNSET
    class_: Literal["antibiotic", "vasopressor", "fluid", "other"] | None = msgspec.field(
        default=None, name="class"
    )
    action: Literal["start", "stop", "rate", "bolus"] | UnsetType = UNSET
    dose: float | None = None
    unit: str | None = None


_DECODE: Final = msgspec.json.Decoder(Observation).decode
_UNSURE: Final = -1


def read_plain(
    records: Sequence[Keyed],
) -> tuple[list[Observation | None], NDArray[np.int64]]:
    """Decodes what is certainly a good observation.

    Returns:
        For each record its observation, ``None`` where `parse` must decide; and ``(n,)`` epoch
        milliseconds of the observations.
    """
    events: list[Observation | None] = []
    times: list[int] = []
    texts: dict[int, str] = {}
    for i, record in enumerate(records):
        value, key = record.value, record.key
        event, time = None, _UNSURE
        if value is not None and key is not None:
            try:
                event = _DECODE(value)
                if (
                    key.decode() == event.patient_id
                    and 0 < len(key) <= MAX_PATIENT_ID
                    and (len(value) <= _SHORT_BYTES or _is_flat(value))
                    and (value.isascii() or value.decode())
                ):
                    if isinstance(event.time, str):
                        texts[i] = event.time
                    elif 0 <= event.time <= LATEST_MS:
                        time = event.time
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass
        events.append(event)
        times.append(time)
    ms = np.array(times, np.int64)
    if texts:
        ms[list(texts)] = _milliseconds(list(texts.values()))
    for i in (ms == _UNSURE).nonzero()[0].tolist():
        events[i] = None
    return events, ms


def _milliseconds(texts: list[str]) -> NDArray[np.int64] | list[int]:
    """Returns the time of each text, ``_UNSURE`` where it is none."""
    if len(texts) <= _FEW:
        return [_one(text) for text in texts]
    ms, sure = milliseconds_of(texts)
    for i in np.flatnonzero(~sure).tolist():
        ms[i] = _one(texts[i])
    return ms


def _one(text: str) -> int:
    try:
        return milliseconds(text)
    except Refused:
        return _UNSURE


def observation_of(event: Event) -> Observation:
    """Returns a parsed event as an observation; one of another kind has measured nothing."""
    is_observation = event["kind"] is Kind.OBSERVATION
    fields = event["fields"]
    return Observation(
        event["patient"],
        event["time_ms"],
        fields["values"] if is_observation else {},
        fields.get("units") if is_observation else None,
    )


def _is_flat(value: bytes) -> bool:
    brackets = value.count(b"{") + value.count(b"[")
    return len(value) <= _PLAIN_BYTES and brackets <= _PLAIN_BRACKETS
