"""The plain observations of a batch, decoded at once; what is not plain is left to `events.parse`.

What is read here is what `parse` would say of the same bytes. Wherever that is not certain, be it
that the event is bad or that it is of a rarer kind, nothing is said and `parse` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from streamer.core.events import (
    MAX_PATIENT_ID,
    ONLY_ONCE,
    Event,
    EventRejected,
    Kind,
    may_repeat_a_key,
    milliseconds,
)
from streamer.core.time import EARLIEST_MS, PLAUSIBLE_MS, read_many_ms

# What msgspec passes over unread may be refused by `parse`: nested over 200 deep, a number of more
# than 4,300 digits, or not UTF-8. Values this short cannot hold the first two.
_SHORT_BYTES: Final = 400
_PLAIN_BYTES: Final = 4_000
_PLAIN_BRACKETS: Final = 100
_FEW_TIMES: Final = 6  # up to this many, times are quicker read one by one
_FEW_VALUES: Final = 40  # and so are texts quicker searched for repeated keys
_UNSURE: Final = -1
# How the keys that may stand only once begin, as an integer of four bytes.
_BEGINNINGS: Final = {name: int.from_bytes(f'"{name}'.encode()[:4], "little") for name in ONLY_ONCE}


class Observation(Struct, gc=False):
    """An observation as it came, with the fields that are used."""

    patient_id: str
    time: str | int
    values: dict[str, float | None]
    units: dict[str, str] | None = None
    type: Literal["observation"] | UnsetType = UNSET


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
    events: list[Observation | None] = []
    times: list[int] = []
    texts: dict[int, str] = {}
    for i, (value, key) in enumerate(zip(values, keys, strict=True)):
        event, time = None, _UNSURE
        if value is not None and key is not None:
            try:
                event = _DECODE(value)
                patient = event.patient_id
                if (
                    key.decode() == patient
                    and 0 < len(key) <= MAX_PATIENT_ID
                    and patient.isprintable()
                    and patient[0] != " " != patient[-1]
                    and (len(value) <= _SHORT_BYTES or _is_flat(value))
                    and (value.isascii() or value.decode())
                ):
                    if isinstance(event.time, str):
                        texts[i] = event.time
                    elif EARLIEST_MS <= event.time < PLAUSIBLE_MS:
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
    _leave_out_repeated_keys(values, events)
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
    )


def _is_flat(value: bytes) -> bool:
    brackets = value.count(b"{") + value.count(b"[")
    return len(value) <= _PLAIN_BYTES and brackets <= _PLAIN_BRACKETS


def _milliseconds(texts: list[str]) -> NDArray[np.int64] | list[int]:
    """Returns the time of each text, ``_UNSURE`` where it is none."""
    if len(texts) <= _FEW_TIMES:
        return [_one(text) for text in texts]
    ms, sure = read_many_ms(texts)
    for i in np.flatnonzero(~sure).tolist():
        ms[i] = _one(texts[i])
    return ms


def _one(text: str) -> int:
    try:
        return milliseconds(text)
    except EventRejected:
        return _UNSURE


def _leave_out_repeated_keys(
    values: Sequence[bytes | None], events: list[Observation | None]
) -> None:
    """Takes out the observations in whose text a key may stand twice: msgspec keeps the last."""
    if len(events) > _FEW_VALUES:
        read = [i for i, event in enumerate(events) if event is not None]
        n_typed = len(read) - [events[i].type for i in read].count(UNSET)  # type: ignore[union-attr]
        if _stand_once([values[i] or b"" for i in read], n_typed):
            return
    for i, value in enumerate(values):
        if events[i] is not None and may_repeat_a_key(value or b""):
            events[i] = None


def _stand_once(values: list[bytes], n_typed: int) -> bool:
    """Whether each key stands once in each text that has it; all have all but the type.

    Counts how often the beginnings of the keys stand in all texts together: once each and no more.
    """
    joined = b"".join(values)
    if b"\\" in joined:
        return False
    wanted = dict.fromkeys(_BEGINNINGS, len(values)) | {"type": n_typed}
    counts = dict.fromkeys(_BEGINNINGS, 0)
    for shift in range(4):
        fours = np.frombuffer(joined, "<u4", (len(joined) - shift) // 4, shift)
        for name, beginning in _BEGINNINGS.items():
            counts[name] += int(np.count_nonzero(fours == beginning))
    return counts == wanted
