"""Laws of the core on made-up events: order, repetition, batches, time, storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core import codec, features
from streamer.core.alert_messages import Content
from streamer.core.cleaning import clean
from streamer.core.stays import StayTable
from streamer.core.time import HOUR_MS
from streamer.core.variables import VARIABLES
from tests.support.event_stream import ORIGIN_MS, Event, Stream, admission, assert_same
from tests.support.small_models import random_model

MODEL = random_model(seed=5)
# Committed state is stepped by the same operations on the same rows, in whichever order the events
# arrived: these laws hold to the bit, without any tolerance.
EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)


ADMISSION = admission(age=60, sex="female")


@st.composite
def observations(
    draw: st.DrawFn, patient: str, most: int = 25, span_minutes: int = 2879
) -> list[Event]:
    """Observations of one stay, in the order of time; some share a minute."""
    minutes = draw(st.lists(st.integers(0, span_minutes), min_size=1, max_size=most))
    events = []
    for minute in sorted(minutes):
        indices = st.integers(0, len(VARIABLES) - 1)
        chosen = [VARIABLES[i] for i in draw(st.lists(indices, max_size=4, unique=True))]
        values = {v.name: draw(st.floats(v.low, v.high, allow_nan=False)) for v in chosen}
        time_ms = ORIGIN_MS + minute * 60_000
        events.append({"patient_id": patient, "time": time_ms, "values": values})
    return events


def taken(events: Sequence[Event | bytes], ends: Sequence[int] = (), every_s: float = 60) -> Stream:
    """A stream that has taken events in batches that end at the indices in ``ends``."""
    stream = Stream(MODEL, every_s)
    stream.take(*events, ends=ends)
    return stream


def contents(stream: Stream) -> list[Content]:
    return [message.content for message in stream.messages]


@EXAMPLES
@given(observations("p"), st.randoms(use_true_random=False), st.lists(st.integers(1, 50)))
def test_order_repetition_and_batches_do_not_change_closed_bins_nor_the_risk(
    events: list[Event], draw: Any, ends: list[int]
) -> None:
    in_order = taken([ADMISSION, *events])
    shuffled = events + draw.sample(events, len(events) // 2)
    draw.shuffle(shuffled)
    other = taken([ADMISSION, *shuffled], ends)
    assert_same(in_order.committed(), other.committed())
    assert in_order.risks() == other.risks()
    assert other.rejections == []


@EXAMPLES
@given(
    observations("p", span_minutes=6000),
    observations("q", span_minutes=6000),
    st.lists(st.integers(1, 50)),
    st.sampled_from([0, 60, 3600, 7200]),
)
def test_batches_and_other_patients_do_not_change_messages(
    one: list[Event], two: list[Event], ends: list[int], interval_s: float
) -> None:
    both = sorted([*one, *two], key=lambda event: event["time"])
    admissions = [ADMISSION, admission(0, "q", age=60, sex="female")]
    at_once = taken([*admissions, *both], every_s=interval_s)
    in_pieces = taken([*admissions, *both], ends, interval_s)
    assert contents(at_once) == contents(in_pieces)
    alone = taken([ADMISSION, *one], every_s=interval_s)
    position = ("offset", "partition")
    by_itself = [{k: v for k, v in m.items() if k not in position} for m in contents(alone)]
    beside = [
        {k: v for k, v in m.items() if k not in position}
        for m in contents(at_once)
        if m["patient_id"] == "p"
    ]
    assert by_itself == beside


@EXAMPLES
@given(observations("p", span_minutes=6000), st.integers(0, 24))
def test_the_future_does_not_change_the_past(events: list[Event], first: int) -> None:
    whole = taken([ADMISSION, *events])
    part = taken([ADMISSION, *events[:first]])
    assert contents(part) == contents(whole)[: len(part.messages)]


@EXAMPLES
@given(observations("p", span_minutes=6000), observations("p", span_minutes=6000))
def test_a_stored_stay_goes_on_as_if_it_had_never_been_stored(
    before: list[Event], after: list[Event]
) -> None:
    kept = taken([ADMISSION, *before])
    slots = np.array([kept.table.slot_of["p"]])
    (stored,) = codec.encode(kept.table, slots, codec.Era("m"))
    loaded = Stream(MODEL, 60)
    codec.decode(loaded.table, 0, {"p": stored})
    assert codec.encode(loaded.table, np.array([loaded.table.slot_of["p"]]), codec.Era("m")) == [
        stored
    ]
    loaded.n = kept.n
    assert kept.take(*after) == loaded.take(*after)
    assert_same(kept.committed(), loaded.committed())


@EXAMPLES
@given(st.data())
def test_changed_stored_bytes_are_corrupt(data: st.DataObject) -> None:
    stream = taken([ADMISSION, *data.draw(observations("p"))])
    (stored,) = codec.encode(stream.table, np.array([stream.table.slot_of["p"]]), codec.Era("m"))
    index = data.draw(st.integers(0, len(stored) - 1))
    changed = bytearray(stored)
    changed[index] ^= data.draw(st.integers(1, 255))
    spare_and_model = range(6, 8), range(12, 28)  # what the checksum need not cover
    if any(index in ignored for ignored in spare_and_model):
        return
    for bad in (bytes(changed), stored[:index]):
        with pytest.raises(codec.CorruptState):
            codec.decode(StayTable(MODEL.architecture), 0, {"p": bad})


@EXAMPLES
@given(observations("p"), st.lists(st.sampled_from([b"", b"{", b"[]", b"\xff", b"{}"]), max_size=8))
def test_every_record_is_an_event_or_a_rejection_once(
    events: list[Event], rubbish: list[bytes]
) -> None:
    late = {**events[0], "time": ORIGIN_MS - HOUR_MS}  # before the admission
    stray = {"type": "discharge", "patient_id": "nobody", "time": ORIGIN_MS}
    stream = taken([ADMISSION, *events, late, stray, *rubbish])
    rejected = [offset for offset, _ in stream.rejections]
    assert len(rejected) == len(set(rejected)) == len(rubbish) + 2


@EXAMPLES
@given(observations("p"), st.randoms(use_true_random=False))
def test_a_repeated_event_causes_no_message(events: list[Event], draw: Any) -> None:
    stream = taken([ADMISSION, *events], every_s=0)
    state = stream.committed()
    again = draw.sample(events, len(events))
    assert stream.take(*again, ADMISSION) == []
    assert_same(state, stream.committed())


@pytest.mark.parametrize("late_hours", [1, 20, 47])
def test_a_late_result_counts_as_if_it_had_come_in_time(late_hours: int) -> None:
    rng = np.random.default_rng(late_hours)
    events: list[Event] = []
    for hour in range(90):
        values = {"heart_rate": float(rng.integers(60, 120)), "map": float(rng.integers(50, 100))}
        events.append({"patient_id": "p", "time": ORIGIN_MS + hour * HOUR_MS, "values": values})
    result = {"patient_id": "p", "time": ORIGIN_MS + 40 * HOUR_MS + 5, "values": {"lactate": 6.0}}
    in_time = taken([ADMISSION, *events[:41], result, *events[41:]])
    after = 41 + late_hours
    delayed = taken([ADMISSION, *events[:after], result, *events[after:]], [30, 60, 61])
    assert_same(in_time.committed(), delayed.committed())
    assert contents(in_time)[-1] == contents(delayed)[-1]


def test_a_result_more_than_two_days_late_is_rejected() -> None:
    hours = [{"patient_id": "p", "time": ORIGIN_MS + h * HOUR_MS, "values": {}} for h in range(60)]
    lactate = {"lactate": 6.0}
    just = {"patient_id": "p", "time": ORIGIN_MS + 11 * HOUR_MS, "values": lactate}
    over = {"patient_id": "p", "time": ORIGIN_MS + 11 * HOUR_MS - 1, "values": lactate}
    stream = taken([ADMISSION, *hours, just, over])
    assert stream.rejections == [(62, "too_late")]


@pytest.mark.parametrize("hours", [1, 48, 49, 50, 130])
def test_the_stream_equals_the_whole_sequence(hours: int) -> None:
    rng = np.random.default_rng(hours)
    low = np.array([v.low for v in VARIABLES])
    high = np.array([v.high for v in VARIABLES])
    rows = rng.uniform(low, high, (hours, len(VARIABLES)))
    rows[rng.random(rows.shape) < 0.7] = np.nan
    first = 3
    events = [
        {
            "patient_id": "p",
            "time": ORIGIN_MS + (first + i) * HOUR_MS,
            "values": {v.name: row[j] for j, v in enumerate(VARIABLES) if not np.isnan(row[j])},
        }
        for i, row in enumerate(rows)
    ]
    stream = taken([ADMISSION, *events], [7, 100])
    memory = features.empty_memory(1)
    static = np.array([[60, 0, np.nan, np.nan]], np.float32)
    seen = []
    for i, row in enumerate(rows):
        bins = np.array([first + i], np.int32)
        step, memory = features.step(clean(row[None]), bins, static, memory)
        seen.append(step)
    offline = MODEL.risks(MODEL.logits(np.stack(seen)))[:, 0]
    streamed = [
        [m["horizons"][h] for h in ("6h", "24h", "48h")] for m in contents(stream) if "bin" in m
    ]
    assert [m["bin"] for m in contents(stream) if "bin" in m] == list(range(first, first + hours))
    # One pass over time and step by step may add up in another order: 1e-6 is ten float32 ulps.
    assert np.abs(np.array(streamed) - offline).max() <= 1e-6


def test_a_risk_has_the_same_bits_in_any_batch() -> None:
    rng = np.random.default_rng(0)
    seen = rng.uniform(0, 100, (300, features.N_FEATURES)).astype(np.float32)
    size = MODEL.architecture
    h, c = rng.normal(size=(2, 300, size.layers, size.hidden)).astype(np.float32)
    together, _, _ = MODEL.step(seen, h, c)
    for n in (1, 2, 3, 5, 8, 17, 64, 299):
        alone, _, _ = MODEL.step(seen[:n], h[:n], c[:n])
        assert np.array_equal(alone, together[:n]), n
