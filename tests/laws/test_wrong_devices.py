"""A septic patient among devices whose clocks are wrong, late results and mistakes of people.

The twin gets what was accepted and stayed, each value at its own time, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pytest

from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core.columns import decode
from streamer.core.messages import write
from streamer.core.model import Model
from streamer.core.time import HOUR_MS
from tests.support.event_stream import (
    MINUTE_MS,
    ORIGIN_MS,
    Event,
    HeartRateModel,
    Stream,
    admission,
    alerts,
    assert_same,
    discharge,
    event,
    observation,
    record,
)

WRONG_FROM, WRONG_UNTIL = 300, 500  # minutes
ILL_FROM, LASTS = 480, 720
NEXT_HOUR = 600  # the first that no wrong device has opened: one of them is 59 minutes ahead
MOST_BEHIND_MIN = 2
FUTURE_LIMIT_MS: Final = HOUR_MS  # the service's default


class Arrival(NamedTuple):
    """An event, the minute of the log in which it arrives, and whether the twin gets it."""

    minute: float
    event: Event
    is_sound: bool = True


def measured(minute: float, source: str, /, revision: int = 0, **values: float) -> Event:
    """An observation of a device at this minute since the admission."""
    return observation(minute / 60, **values) | {"source": source, "revision": revision}


def arrivals(discharged: float) -> list[Arrival]:
    """All that reaches the log: a monitor that is right, and everything else."""
    draws = np.random.default_rng(5)
    all_of_them = [Arrival(0, admission(age=70, sex="male", ward="A", bed="1"))]
    for minute in range(1, LASTS):
        rate = 80.0 + 35 * (minute >= ILL_FROM)
        pressure = 85.0 - 25 * (minute >= ILL_FROM)
        all_of_them.append(Arrival(minute, measured(minute, "m", heart_rate=rate, map=pressure)))
        if not WRONG_FROM <= minute < WRONG_UNTIL:
            continue
        at, drift = minute + 0.2, float(draws.uniform(-1, 1))
        ahead = measured(minute + 1.5, "90 s ahead", spo2=round(96 + drift, 1))
        all_of_them.append(Arrival(at, ahead))
        if minute % 5 == 0:
            ahead = measured(minute + 59, "59 min ahead", temperature=round(37.5 + drift, 1))
            all_of_them.append(Arrival(at, ahead))
        if minute % 10 == 0:
            refused = measured(minute + 300, "5 h ahead", glucose=180.0 + drift)
            all_of_them.append(Arrival(at, refused, is_sound=False))
        if minute % 30 == 0:
            behind = measured(minute - 300, "5 h behind", wbc=round(9 + drift, 1))
            late = measured(minute - 170, "lab", creatinine=round(1.4 + drift / 5, 2))
            wrong = measured(minute - 40, "lab", lactate=9.0)
            right = measured(minute - 40, "lab", revision=1, lactate=1.2)
            all_of_them += [Arrival(at, behind), Arrival(at, late)]
            all_of_them += [Arrival(at, wrong, is_sound=False), Arrival(minute + 12.3, right)]
    moved = event(475 / 60, "transfer", ward="B", bed="7")
    all_of_them.append(Arrival(475.5, moved))
    mistake = discharge(discharged / 60)
    all_of_them.append(Arrival(discharged + 0.5, mistake, is_sound=False))
    return sorted(all_of_them, key=lambda one: one.minute)


def minute_of(one: Event) -> float:
    return float(one["time"] - ORIGIN_MS) / MINUTE_MS


class Watched:
    """A stream, and the minute of the log in which each message was written."""

    def __init__(self, model: Model, log: Sequence[tuple[float, Event]]) -> None:
        self.stream = Stream(model, 60)
        batch = [
            record(one, offset, timestamp_ms=ORIGIN_MS + round(minute * MINUTE_MS))
            for offset, (minute, one) in enumerate(log)
        ]
        columns = decode(batch, FUTURE_LIMIT_MS)
        outcome = self.stream.scorer.score(columns, [0] * len(columns.patients))
        self.reasons = {rejection.reason.value for rejection in outcome.rejections}
        written = write(outcome, columns.record.tolist(), batch, model, self.stream.table)
        self.messages = [(log[message.record][0], message.content) for message in written]

    def starts(self) -> list[float]:
        return [minute for minute, m in self.messages if m.get("phase") == "start"]

    def risks_from(self, minute: float) -> list[tuple[str, int, float]]:
        """Time, bin and risk of each message of the log from this minute on."""
        risks = [m for at, m in self.messages if at >= minute and "bin" in m]
        return [(m["time"], m["bin"], m["risk"]) for m in risks]


def both(model: Model, discharged: float) -> tuple[Watched, Watched]:
    """The patient among wrong devices, and the twin."""
    arrived = arrivals(discharged)
    sound = sorted((one.event for one in arrived if one.is_sound), key=minute_of)
    disturbed = Watched(model, [(one.minute, one.event) for one in arrived])
    return disturbed, Watched(model, [(minute_of(one), one) for one in sound])


# Before the patient is ill, and while the alert is on.
@pytest.mark.parametrize("discharged", [470, ILL_FROM + 10])
def test_a_septic_patient_among_wrong_devices_is_seen_in_two_minutes(discharged: float) -> None:
    disturbed, twin = both(HeartRateModel(), discharged)
    (wanted,) = twin.starts()
    assert wanted == ILL_FROM
    assert 0 <= disturbed.starts()[0] - wanted <= MOST_BEHIND_MIN
    phases = [phase for phase, _ in alerts([m for _, m in disturbed.messages])]
    # An alert that the discharge ended locks nothing out.
    ended = ["start", "end"] * (discharged > ILL_FROM)
    assert [phase for phase in phases if phase != "escalate"] == [*ended, "start"]
    assert disturbed.starts()[-1] - max(wanted, discharged) <= MOST_BEHIND_MIN
    assert disturbed.reasons == {"future_time"}
    assert disturbed.stream.table.locations[int(disturbed.stream.slot()[0])] == ("B", "7")


def test_its_risks_are_those_of_the_twin_from_the_next_hour_on() -> None:
    model = build(bundle.load(bundle.SHIPPED))
    disturbed, twin = both(model, ILL_FROM + 10)
    wanted = twin.risks_from(NEXT_HOUR)
    assert len(wanted) == LASTS - NEXT_HOUR
    assert disturbed.risks_from(NEXT_HOUR) == wanted
    assert_same(disturbed.stream.committed(), twin.stream.committed())
    # Each wrong device had said something that counts.
    assert disturbed.risks_from(WRONG_FROM)[:200] != twin.risks_from(WRONG_FROM)[:200]
