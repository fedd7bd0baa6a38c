"""Events of a simulated ward, with bad ones between them that no sender should send."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from streamer.core.time import HOUR_MS
from streamer.sim.scenario import Scenario, Wire
from streamer.sim.ward import ward

Content = dict[str, Any]  # of an event

# A row of every bed each five minutes, for six days: stays begin, end, and outlive the ring of 48
# hours. With few beds batches would be small, and few events of a patient in one batch.
_ROWS_EVERY_S: Final = 300.0
_EVENTS_A_BED: Final = 1_700
_BEDS: Final = (60, 600)
_WIRE: Final = Wire(late_share=0.03, duplicate_share=0.02, lab_delay_max_minutes=40 * 60.0)
_ODD_SHARE: Final = 0.03
_REMEMBERED: Final = 5_000
_FAR_FUTURE_MS: Final = 4_070_908_800_000  # 2099


class Event(NamedTuple):
    """One record to send; ``partition`` is set where the key does not decide it."""

    key: bytes | None
    value: bytes | None
    partition: int | None = None


def chaos_events(seed: int, n_events: int, n_partitions: int, now_ms: int) -> Iterator[Event]:
    """Yields events of a ward up to now, with late, repeated, bad and odd ones among them.

    Args:
        seed: equal ones yield equal events.
        n_events: their number.
        n_partitions: of the topic.
        now_ms: the latest time of a good event.
    """
    draws = random.Random(f"{seed}/events")
    beds = min(max(_BEDS[0], n_events // _EVENTS_A_BED), _BEDS[1])
    span_ms = int(n_events / beds * _ROWS_EVERY_S * 1000 * 1.3) + HOUR_MS
    start_ms = now_ms - span_ms
    scenario = Scenario(
        beds=beds, seed=seed, start_ms=start_ms, vitals_every_s=_ROWS_EVERY_S, wire=_WIRE
    )
    recent: deque[Content] = deque(maxlen=_REMEMBERED)
    left = n_events
    for message in ward(scenario):
        if message.topic != "vitals":
            continue
        yield Event(message.key.encode(), orjson.dumps(message.value))
        recent.append(message.value)
        left -= 1
        if left and draws.random() < _ODD_SHARE:
            yield _odd(draws, recent, n_partitions)
            left -= 1
        if not left:
            return


def _odd(draws: random.Random, recent: deque[Content], n_partitions: int) -> Event:
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


def _changed(event: Content, **fields: Any) -> bytes:
    return orjson.dumps(event | fields)
