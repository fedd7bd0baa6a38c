"""The plain observations of a batch, decoded at once; what is not plain is left to `events.parse`.

What is read here is what `parse` would say of the same bytes. Wherever that is not certain, be it
that the event is bad or that it is of a rarer kind, nothing is said and `parse` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from streamer.core.canary import PREFIX
from streamer.core.events import (
    MAX_PATIENT_ID,
    ONLY_ONCE,
    Event,
    EventRejected,
    Kind,
    may_repeat_a_key,
    milliseconds,
)
from streamer.core.time import EARLIEST_MS, PLAUSIBLE_MS
from streamer.core.time_batches import read_many_ms

# What msgspec passes over unread may be refused by `parse`: nested over 200 deep, a number of more
# than 4,300 digits, or not UTF-8. Values this short cannot hold the first two.
_SHORT_BYTES: Final = 400
_PLAIN_BYTES: Final = 4_000
_PLAIN_BRACKETS: Final = 100
_FEW_TIMES: Final = 6  # up to this many, times are quicker read one by one
_FEW_EVENTS: Final = 40  # up to this many, events are quicker checked one by one
_UNSURE: Final = -1
# How the keys that may stand only once begin, as an integer of four bytes.
_BEGINNINGS: Final = {name: int.from_bytes(f'"{name}'.encode()[:4], "little") for name in ONLY_ONCE}


class Observation(Struct, gc=False):
    """An observation as it came, with the fields that are used."""

    patient_id: str
    time: str | int
    values: dict[str, float | None]
    units: dict[str, str] | None = None
    revision: Annotated[int, Meta(ge=0, le=255)] = 0
    type: Literal["observation"] | UnsetType = UNSET
    source: Any = None  # not judged
    processing: Literal["P"] | UnsetType = UNSET


_DECODE: Final = msgspec.json.Decoder(Observation).decode


def read_plain(
    values: Sequence[bytes | None], keys: Sequence[bytes | None]
) -> tuple[list[Observation | None], NDArray[np.int64]]:
    """Decodes what is certainly a good observation.

    Args:
        values: of the records.
        keys: of the same.

    Returns:
        For each record its observation, ``None`` where `parse` must decide; and ``(n,)`` epoch
        milliseconds of the observations.
    """
    texts = [value or b"" for value in values]
    owners = [key or b"" for key in keys]
    events = _decoded(texts)
    read = [event for event in events if event is not None]
    at = np.arange(len(events))
    if len(read) < len(events):
        at = np.array([i for i, event in enumerate(events) if event is not None], np.intp)
        texts, owners = [texts[i] for i in at], [owners[i] for i in at]
    times = _times([event.time for event in read])
    if len(read) <= _FEW_EVENTS or not _are_plain(read, texts, owners):
        for j, (event, text, owner) in enumerate(zip(read, texts, owners, strict=True)):
            if not _is_plain(event, text, owner):
                times[j] = _UNSURE
    ms = np.full(len(events), _UNSURE, np.int64)
    ms[at] = times
    for i in (ms == _UNSURE).nonzero()[0].tolist():
        events[i] = None
    return events, ms


def observation_of(event: Event) -> Observation:
    """Returns a parsed event as an observation; one of another kind has measured nothing."""
    is_observation = event["kind"] is Kind.OBSERVATION
    fields = event["fields"]
    return Observation(
        event["patient"],
        event["time_ms"],
        fields["values"] if is_observation else {},
        fields["units"] if is_observation else None,
        fields["revision"] if is_observation else 0,
        source=fields.get("source") if is_observation else None,
    )


def _decoded(texts: list[bytes]) -> list[Observation | None]:
    """Decodes all texts, ``None`` where one is refused."""
    events: list[Observation | None] = []
    decoding = map(_DECODE, texts)
    while len(events) < len(texts):
        try:
            events.extend(decoding)  # keeps those before one that is refused
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            events.append(None)
    return events


def _times(times: list[str | int]) -> NDArray[np.int64]:
    """Returns each time in epoch milliseconds, ``_UNSURE`` where it is none."""
    ms = np.full(len(times), _UNSURE, np.int64)
    if set(map(type, times)) == {str}:
        ms[:] = _times_of(times)  # type: ignore[arg-type]  # all are texts
        return ms
    texts = [time for time in times if isinstance(time, str)]
    if len(texts) < len(times):
        for i, time in enumerate(times):
            if isinstance(time, int) and EARLIEST_MS <= time < PLAUSIBLE_MS:
                ms[i] = time
    if texts:
        ms[[isinstance(time, str) for time in times]] = _times_of(texts)
    return ms


def _times_of(texts: list[str]) -> NDArray[np.int64] | list[int]:
    if len(texts) <= _FEW_TIMES:
        return [_time_of(text) for text in texts]
    ms, sure = read_many_ms(texts)
    for i in np.flatnonzero(~sure).tolist():
        ms[i] = _time_of(texts[i])
    return ms


def _time_of(text: str) -> int:
    try:
        return milliseconds(text)
    except EventRejected:
        return _UNSURE


def _is_plain(event: Observation, value: bytes, key: bytes) -> bool:
    """Whether nothing of what msgspec does not look at can be wrong."""
    patient = event.patient_id
    return (
        key == patient.encode()
        and 0 < len(key) <= MAX_PATIENT_ID
        and patient.isprintable()
        and patient == patient.strip()
        and not patient.startswith(PREFIX)
        and (len(value) <= _SHORT_BYTES or _is_flat(value))
        and (value.isascii() or _is_utf8(value))
        and not may_repeat_a_key(value)
    )


def _is_flat(value: bytes) -> bool:
    brackets = value.count(b"{") + value.count(b"[")
    return len(value) <= _PLAIN_BYTES and brackets <= _PLAIN_BRACKETS


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _are_plain(read: Sequence[Observation], values: list[bytes], keys: list[bytes]) -> bool:
    """Whether all of them are plain and of the usual kind: ``_is_plain``, for many at once."""
    patients = [event.patient_id for event in read]
    names = "".join(patients)
    joined = b"".join(values)
    return (
        names.isprintable()  # so that a NUL can only be what they are joined with
        and " " not in names
        and PREFIX not in names
        and "\0".join(patients).encode() == b"\0".join(keys)
        and min(map(len, keys)) > 0
        and max(map(len, keys)) <= MAX_PATIENT_ID
        and (max(map(len, values)) <= _SHORT_BYTES or all(map(_is_flat, values)))
        and joined.isascii()
        and b"\\" not in joined
        and _stand_once(joined, len(read), [event.type for event in read].count(UNSET))
    )


def _stand_once(joined: bytes, n_events: int, n_untyped: int) -> bool:
    """Whether each key stands once in each text that has it; all have all but the type.

    Counts how often the beginnings of the keys stand in all texts together: once each and no more.
    """
    wanted = dict.fromkeys(_BEGINNINGS, n_events) | {"type": n_events - n_untyped}
    counts = dict.fromkeys(_BEGINNINGS, 0)
    for shift in range(4):
        fours = np.frombuffer(joined, "<u4", (len(joined) - shift) // 4, shift)
        for name, beginning in _BEGINNINGS.items():
            counts[name] += int(np.count_nonzero(fours == beginning))
    return counts == wanted
