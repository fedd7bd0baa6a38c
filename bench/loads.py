"""The loads in Kafka that every engine gets, and the events of them that must cause a risk."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from bench.peers.event import epoch_ms
from bench.reading import Tail
from streamer.core.time import rfc3339
from streamer.feeds.message import Message
from streamer.feeds.publish import publish
from streamer.service.settings import Settings
from streamer.sim.scenario import Scenario, Wire
from streamer.sim.ward import ward

_VITALS = ("heart_rate", "spo2", "temperature", "sbp", "map", "dbp", "resp_rate")
_LEVELS = (80, 97, 37, 120, 80, 60, 16)
_LABS = {"lactate": 1.5, "creatinine": 1.0, "wbc": 9.0, "platelets": 200.0}


@dataclass(frozen=True, slots=True)
class Load:
    """Events to be taken in, and how often a risk is wanted.

    Attributes:
        title: its name in the tables.
        feed: the events, in the order of their time.
        interval_s: seconds of event time since admission; 0: a risk for every observation.
    """

    title: str
    feed: Iterable[Message]
    interval_s: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """A load that waits in Kafka.

    Attributes:
        title: of the load.
        topic: its topic.
        interval_s: of the load.
        n_events: number of events.
        due: by partition, the rising offsets of the events that must cause a risk.
    """

    title: str
    topic: str
    interval_s: float
    n_events: int
    due: list[NDArray[np.int64]]

    @property
    def n_due(self) -> int:
        """The number of risks that it must cause."""
        return sum(len(offsets) for offsets in self.due)


def hourly(rows: int, stays: int, an_hour: int = 1) -> Iterator[Message]:
    """Hourly rows of many stays at once, with the vital signs and labs of real ones.

    ``an_hour``: rows of a stay in each hour.
    """
    rng = np.random.default_rng(0)
    times, step_ms = math.ceil(rows / stays), 3_600_000 // an_hour
    start_ms = int(time.time() * 1000) - (times + 1) * step_ms
    for nth, stay in itertools.product(range(times), range(stays)):
        time_ms = start_ms + nth * step_ms
        values = dict(zip(_VITALS, (_LEVELS + rng.normal(0, 1, 7)).round(1).tolist(), strict=True))
        if rng.random() < 0.1:
            values |= _LABS
        patient = f"bench-{stay:05d}"
        event: dict[str, object] = {"patient_id": patient, "time": time_ms, "values": values}
        yield Message(time_ms, "vitals", patient, event)


def one_hertz(rows: int, beds: int) -> Iterator[Message]:
    """The simulated ward with a monitor row per bed and second; each patient's last event is due.

    Otherwise the last minute of each partition would be work without any output.
    """
    hours = rows / beds / 3600
    scenario = Scenario(
        beds=beds,
        hours=hours,
        vitals_every_s=1.0,
        fill_hours=0.0,
        start_ms=int((time.time() - hours * 3600 - 3600) * 1000),
        wire=Wire.off(),
    )
    last: dict[str, Message] = {}
    for message in ward(scenario):
        if message.topic == "vitals":
            yield message
            last[message.key] = message
    yield from _one_more_of_each(last)


def even_rows(rows: int, beds: int) -> Iterator[Message]:
    """Rows of seven vital signs, one per bed and second; each patient's last event is due.

    Patients of the simulated ward cost 2 ms each to invent, which is too much for 20,000 of them.
    """
    draws = np.random.default_rng(1)
    start_ms = int((time.time() - rows / beds - 3600) * 1000)
    last: dict[str, Message] = {}
    for second in range(math.ceil(rows / beds)):
        noise = draws.integers(-5, 6, beds).tolist()
        for bed in range(beds):
            time_ms = start_ms + second * 1000 + bed * 1000 // beds
            values = {
                name: level + noise[bed] for name, level in zip(_VITALS, _LEVELS, strict=True)
            }
            patient = f"bed-{bed:05d}"
            event: dict[str, object] = {"patient_id": patient, "time": time_ms, "values": values}
            last[patient] = Message(time_ms, "vitals", patient, event)
            yield last[patient]
    yield from _one_more_of_each(last)


def _one_more_of_each(last: Mapping[str, Message]) -> Iterator[Message]:
    for patient, message in last.items():
        time_ms = message.due_ms + 60_000
        event: dict[str, object] = {
            "patient_id": patient,
            "time": rfc3339(time_ms),
            "values": {"heart_rate": 80},
        }
        yield Message(time_ms, "vitals", patient, event)


def put(load: Load, settings: Settings) -> Backlog:
    """Publishes a load to the topic of the settings; reads it back to find the due events."""
    publish(
        load.feed,
        settings.kafka_connection(),
        {"vitals": settings.topic_vitals},
        speed=None,
        stop=threading.Event(),
        progress=lambda _sent, _due_ms: None,
    )
    due: list[list[int]] = [[] for _ in range(settings.partitions)]
    clocks: dict[bytes, Clock] = {}
    n_events = 0
    with contextlib.closing(Tail(settings, settings.topic_vitals)) as tail:
        while not tail.at_end():
            for record in tail.poll():
                n_events += 1
                clock = clocks.setdefault(record.key, Clock(round(load.interval_s * 1000)))
                event = orjson.loads(record.value)
                if clock.is_due(event.get("type", "observation"), epoch_ms(event["time"])):
                    due[record.partition].append(record.offset)
    return Backlog(
        load.title,
        settings.topic_vitals,
        load.interval_s,
        n_events,
        [np.array(offsets, np.int64) for offsets in due],
    )


class Clock:
    """Decides which events of one patient must cause a risk, by code of its own.

    >>> clock = Clock(60_000)
    >>> [clock.is_due("observation", second * 1000) for second in (5, 6, 64, 65, 66)]
    [True, False, False, True, False]
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._admitted_ms: int | None = None
        self._seen: set[int] = set()

    def is_due(self, kind: str, time_ms: int) -> bool:
        """Whether this event must cause a risk; call it for all events in the order of the log."""
        if kind == "admission":
            self._admitted_ms = time_ms
        if kind != "observation":
            return False
        if self._admitted_ms is None:
            self._admitted_ms = time_ms
        if self._interval_ms == 0:
            return True
        interval = (time_ms - self._admitted_ms) // self._interval_ms
        is_new = interval not in self._seen
        self._seen.add(interval)
        return is_new
