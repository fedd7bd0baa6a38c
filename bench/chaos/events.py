"""Events of a simulated ward, with bad ones between them that no sender should send."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from bench.broken_records import BAD_HEADERS, MARK
from streamer.core.events import Fields
from streamer.core.time import HOUR_MS
from streamer.sim.scenario import Scenario, Wire
from streamer.sim.ward import ward

# Three weeks of the log's own time: stays begin, end, outlive the ring of 48 hours, and expire.
# With few beds batches would be small, and few events of a patient in one batch.
_SPAN_MS: Final = 21 * 24 * HOUR_MS
_ROW_SHARE: Final = 0.7  # of the events; the others are results, and lost rows
_LONGEST_ROW_S: Final = 3_600.0  # a row of a bed each hour at least
_EVENTS_A_BED: Final = 1_700
_BEDS: Final = (60, 600)
_WIRE: Final = Wire(late_share=0.03, duplicate_share=0.02, lab_delay_max_minutes=40 * 60.0)
_ODD_SHARE: Final = 0.03
_REMEMBERED: Final = 5_000
# Empty beds and lost rows stretch the time; records must not be older than the topic keeps them.
_MARGIN_MS: Final = 7 * 24 * HOUR_MS
# A patient of whom a history is fed in: each event closes two weeks of empty hours, much work.
_HISTORY_SHARE: Final = 0.0002
_HISTORY_FROM_MS: Final = 788_918_400_000  # 1995
_HISTORY_EVERY_MS: Final = 335 * HOUR_MS
_HISTORY_EVENTS: Final = 20  # of a patient
_FAR_FUTURE_MS: Final = 4_070_908_800_000  # 2099


class Event(NamedTuple):
    """One record to send; ``partition`` is set where the key does not decide it.

    ``timestamp_ms`` is that of the record: the time at which the event was due, unless its producer
    counts microseconds.
    """

    key: bytes | None
    value: bytes | None
    partition: int | None = None
    timestamp_ms: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def chaos_events(seed: int, n_events: int, n_partitions: int, now_ms: int) -> Iterator[Event]:
    """Yields events of a ward up to now, with late, repeated, bad and odd ones among them.

    Args:
        seed: equal ones yield equal events.
        n_events: their number.
        n_partitions: of the topic.
        now_ms: the latest time of a good event.
    """
    draws = random.Random(f"{seed}/events")
    most_beds = int(n_events * _ROW_SHARE * _LONGEST_ROW_S * 1000 / _SPAN_MS)
    beds = max(1, min(max(_BEDS[0], n_events // _EVENTS_A_BED), _BEDS[1], most_beds))
    rows_every_s = max(60.0, _SPAN_MS / 1000 * beds / (n_events * _ROW_SHARE))
    start_ms = now_ms - _SPAN_MS - _MARGIN_MS
    scenario = Scenario(
        beds=beds, seed=seed, start_ms=start_ms, vitals_every_s=rows_every_s, wire=_WIRE
    )
    recent: deque[Fields] = deque(maxlen=_REMEMBERED)
    histories = _histories()
    left = n_events
    for message in ward(scenario):
        if message.topic != "vitals":
            continue
        stamp_ms = min(message.due_ms, now_ms)
        yield Event(message.key.encode(), orjson.dumps(message.value), None, stamp_ms)
        recent.append(message.value)
        left -= 1
        if left and draws.random() < _ODD_SHARE:
            odd = _odd(draws, recent, n_partitions)
            in_microseconds = odd.timestamp_ms > 0
            yield odd._replace(timestamp_ms=stamp_ms * 1_000 if in_microseconds else stamp_ms)
            left -= 1
        if left and draws.random() < _HISTORY_SHARE:
            yield next(histories)._replace(timestamp_ms=stamp_ms)
            left -= 1
        if not left:
            return


def _histories() -> Iterator[Event]:
    for number in itertools.count():
        patient = f"history-{number}"
        for n in range(_HISTORY_EVENTS):
            time_ms = _HISTORY_FROM_MS + n * _HISTORY_EVERY_MS
            content = {"patient_id": patient, "time": time_ms, "values": {"heart_rate": 70 + n}}
            yield Event(patient.encode(), orjson.dumps(content))


def _odd(draws: random.Random, recent: deque[Fields], n_partitions: int) -> Event:
    old = draws.choice(recent)
    patient = str(old["patient_id"])
    key, value = patient.encode(), orjson.dumps(old)
    anywhere = draws.randrange(n_partitions)
    odd_values = {"heart_rate": 9_999, "happiness": 3, "lactate": 2.1, "spo2": None, "ph": "low"}
    drug = {"drug": "ceftriaxone", "class": "antibiotic"}
    return draws.choice(
        (
            Event(key, value),  # again, after up to some thousand others
            Event(key, value[:-9]),
            Event(key, value, timestamp_ms=1),  # in microseconds
            Event(key, value[:-9], timestamp_ms=1),
            Event(key, _changed(old, source=MARK.decode()), headers=BAD_HEADERS),
            Event(key, None),
            Event(None, value, anywhere),
            Event(b"someone else", value, anywhere),
            Event(key, _changed(old, type="observation", values="fast")),
            Event(key, _changed(old, time=_FAR_FUTURE_MS)),
            Event(key, _changed(old, time="yesterday")),
            Event(b"stranger", _changed(old, patient_id="stranger", type="discharge")),
            Event(
                key,
                _changed(old, type="observation", values=odd_values, units={"lactate": "furlong"}),
            ),
            Event(key, _changed(old, type="medication", action="start", **drug)),
            Event(key, _changed(old, type="medication", action="stop", **drug)),
        )
    )


def _changed(event: Fields, **fields: Any) -> bytes:
    return orjson.dumps(event | fields)
