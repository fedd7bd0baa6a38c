"""The whole ward as one stream of messages, in the order of their arrival at the broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Final

from streamer.core.time import HOUR_MS
from streamer.sim.bedside import Bedside
from streamer.sim.census import admissions
from streamer.sim.message import Message
from streamer.sim.outage import Outages, release_ms
from streamer.sim.scenario import Scenario

# Rows simulated at once: long enough per stay that numpy's call overhead is spread thin, few
# enough over the ward that the first message comes at once and memory stays small (some 16 MB).
_ROWS_PER_STAY: Final = 256
_ROWS_PER_WARD: Final = 16_384
_MIN_ROWS: Final = 16

_due = attrgetter("due_ms")


def ward(scenario: Scenario) -> Iterator[Message]:
    """Yields the messages of a ward by due time, for ``scenario.hours`` or without end.

    Lazy: it works ahead by a window of at most 256 monitor rows per bed. Equal scenarios yield
    equal streams, and a shorter one is a prefix of a longer one. Messages that are due after the
    end are not sent.

    >>> stream = ward(Scenario(beds=1, hours=2))
    >>> first = next(stream)
    >>> first.key, first.value["type"], first.value["bed"]
    ('sim-000001', 'admission', '01')
    """
    every_ms = round(scenario.vitals_every_s * 1000)
    rows = min(max(_ROWS_PER_WARD // scenario.beds, _MIN_ROWS), _ROWS_PER_STAY)
    stop_ms = None if scenario.hours is None else scenario.start_ms + int(scenario.hours * HOUR_MS)
    arrivals = admissions(scenario)
    arrival = next(arrivals)
    outages = Outages(scenario)
    bedsides: list[Bedside] = []
    waiting: list[Message] = []  # happened, not yet due
    now_ms = scenario.start_ms
    while stop_ms is None or now_ms < stop_ms:
        end_ms = now_ms + rows * every_ms
        while arrival.admit_ms < end_ms:
            bedsides.append(Bedside(scenario, arrival))
            arrival = next(arrivals)
        for bedside in bedsides:
            waiting += bedside.until(end_ms)
        bedsides = [bedside for bedside in bedsides if not bedside.over]
        spans = outages.within(now_ms, end_ms)
        if spans:
            waiting = [_through(message, spans) for message in waiting]
        waiting.sort(key=_due)  # stable: messages due together keep the order of the bedside
        sent = 0
        for message in waiting:
            if message.due_ms >= end_ms:
                break
            if stop_ms is not None and message.due_ms >= stop_ms:
                return
            yield message
            sent += 1
        del waiting[:sent]
        now_ms = end_ms


def _through(message: Message, spans: list[tuple[int, int]]) -> Message:
    """The message as an outage delays it; outcomes do not travel by this network."""
    if message.topic != "vitals":
        return message
    due_ms = release_ms(message.due_ms, spans)
    return message if due_ms == message.due_ms else replace(message, due_ms=due_ms)
