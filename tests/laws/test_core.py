"""Laws of the core on made-up events: order, repetition, batches, time, storage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core import codec, features, recurrence
from streamer.core.cleaning import clean
from streamer.core.columns import decode
from streamer.core.messages import write
from streamer.core.records import Record
from streamer.core.scoring import Outcome, Scorer
from streamer.core.stays import StayTable
from streamer.core.variables import VARIABLES
from tests.support.small_models import random_model

MODEL = random_model(seed=5)
HOUR_MS = 3_600_000
ORIGIN_MS = 1_700_000_000_000
# Committed state is stepped by the same operations on the same rows, whatever the order in which
# the rows came about; so these laws hold to the bit, and no tolerance is given anywhere below.
EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)

STATE = (
    *("memory", "h", "c", "anchor_memory", "anchor_h", "anchor_c", "ring_value", "ring_offset_ms"),
    *("first_bin", "open_bin", "anchor_bin", "last_value", "last_ms"),
)

Event = dict[str, Any]


def admission(patient: str) -> Event:
    """The admission that a stay begins with."""
    return {
        "type": "admission",
        "patient_id": patient,
        "time": ORIGIN_MS,
        "age": 60,
        "sex": "female",
    }


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


class Stream:
    """A scorer and the log of what it was given and said."""

    def __init__(self, interval_s: float = 60) -> None:
        self.table = StayTable(MODEL.architecture, capacity=4)
        self.scorer = Scorer(MODEL, self.table, round(interval_s * 1000))
        self.messages: list[dict[str, Any]] = []
        self.outcomes: list[Outcome] = []
        self.n = 0

    def take(self, events: Sequence[Event | bytes], cut: Sequence[int] = ()) -> Stream:
        """Takes events in batches that end at the places in ``cut``."""
        records = []
        for event in events:
            value = event if isinstance(event, bytes) else json.dumps(event).encode()
            key = b"p" if isinstance(event, bytes) else event["patient_id"].encode()
            records.append(Record(0, self.n, ORIGIN_MS, key, value))
            self.n += 1
        ends = sorted({*(c for c in cut if c < len(records)), len(records)})
        start = 0
        for end in ends:
            batch = records[start:end]
            columns = decode(batch, None)
            outcome = self.scorer.score(columns, [0] * len(columns.patients))
            written = write(outcome.assessments, columns.record.tolist(), batch, MODEL)
            self.messages += [message.content for message in written]
            self.outcomes.append(outcome)
            start = end
        return self

    def state(self, patient: str) -> dict[str, Any]:
        """Closed bins and committed state of a stay."""
        slot = self.table.slot_of[patient]
        recurrence.refresh(self.table, MODEL, np.array([slot]))
        return {name: self.table[name][slot].copy() for name in STATE}

    def risk(self, patient: str) -> list[float]:
        """The risk of a stay as it stands."""
        slot = np.array([self.table.slot_of[patient]])
        return list(recurrence.evaluate(self.table, MODEL, slot).risks[0].tolist())


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in one.items():
        assert np.array_equal(value, other[name], equal_nan=np.asarray(value).dtype.kind == "f"), (
            name
        )


@EXAMPLES
@given(observations("p"), st.randoms(use_true_random=False), st.lists(st.integers(1, 50)))
def test_order_repetition_and_batches_do_not_change_closed_bins_nor_the_risk(
    events: list[Event], draw: Any, cut: list[int]
) -> None:
    in_order = Stream().take([admission("p"), *events])
    shuffled = events + draw.sample(events, len(events) // 2)
    draw.shuffle(shuffled)
    other = Stream().take([admission("p"), *shuffled], cut)
    assert_same(in_order.state("p"), other.state("p"))
    assert in_order.risk("p") == other.risk("p")
    assert not any(outcome.rejections for outcome in other.outcomes)


@EXAMPLES
@given(
    observations("p", span_minutes=6000),
    observations("q", span_minutes=6000),
    st.lists(st.integers(1, 50)),
    st.sampled_from([0, 60, 3600, 7200]),
)
def test_batches_and_other_patients_do_not_change_what_is_said(
    one: list[Event], two: list[Event], cut: list[int], interval_s: float
) -> None:
    both = sorted([*one, *two], key=lambda event: event["time"])
    admissions = [admission("p"), admission("q")]
    at_once = Stream(interval_s).take([*admissions, *both])
    in_pieces = Stream(interval_s).take([*admissions, *both], cut)
    assert at_once.messages == in_pieces.messages
    alone = Stream(interval_s).take([admission("p"), *one])
    place = ("offset", "partition")
    said = [{k: v for k, v in m.items() if k not in place} for m in alone.messages]
    beside = [
        {k: v for k, v in m.items() if k not in place}
        for m in at_once.messages
        if m["patient_id"] == "p"
    ]
    assert said == beside


@EXAMPLES
@given(observations("p", span_minutes=6000), st.integers(0, 24))
def test_the_future_does_not_change_the_past(events: list[Event], first: int) -> None:
    whole = Stream().take([admission("p"), *events])
    part = Stream().take([admission("p"), *events[:first]])
    assert part.messages == whole.messages[: len(part.messages)]


@EXAMPLES
@given(observations("p", span_minutes=6000), observations("p", span_minutes=6000))
def test_a_stored_stay_goes_on_as_if_it_had_never_been_stored(
    before: list[Event], after: list[Event]
) -> None:
    kept = Stream().take([admission("p"), *before])
    slots = np.array([kept.table.slot_of["p"]])
    (stored,) = codec.encode(kept.table, slots, codec.Era("m"))
    loaded = Stream()
    codec.decode(loaded.table, 0, {"p": stored})
    assert codec.encode(loaded.table, np.array([loaded.table.slot_of["p"]]), codec.Era("m")) == [
        stored
    ]
    loaded.n = kept.n
    said = len(kept.messages)
    kept.take(after)
    loaded.take(after)
    assert kept.messages[said:] == loaded.messages
    assert_same(kept.state("p"), loaded.state("p"))


@EXAMPLES
@given(st.data())
def test_stored_bytes_that_were_changed_are_refused(data: st.DataObject) -> None:
    stream = Stream().take([admission("p"), *data.draw(observations("p"))])
    (stored,) = codec.encode(stream.table, np.array([stream.table.slot_of["p"]]), codec.Era("m"))
    place = data.draw(st.integers(0, len(stored) - 1))
    changed = bytearray(stored)
    changed[place] ^= data.draw(st.integers(1, 255))
    spare_and_model = range(6, 8), range(12, 28)  # what the checksum need not cover
    if any(place in ignored for ignored in spare_and_model):
        return
    for bad in (bytes(changed), stored[:place]):
        with pytest.raises(codec.CorruptState):
            codec.decode(StayTable(MODEL.architecture), 0, {"p": bad})


@EXAMPLES
@given(observations("p"), st.lists(st.sampled_from([b"", b"{", b"[]", b"\xff", b"{}"]), max_size=8))
def test_every_record_is_an_event_or_a_rejection_once(
    events: list[Event], rubbish: list[bytes]
) -> None:
    late = {**events[0], "time": ORIGIN_MS - HOUR_MS}  # before the admission
    stray = {"type": "discharge", "patient_id": "nobody", "time": ORIGIN_MS}
    stream = Stream().take([admission("p"), *events, late, stray, *rubbish])
    (outcome,) = stream.outcomes
    refused = [rejection.record for rejection in outcome.rejections]
    assert len(refused) == len(set(refused)) == len(rubbish) + 2


@EXAMPLES
@given(observations("p"), st.randoms(use_true_random=False))
def test_a_repeated_event_says_nothing(events: list[Event], draw: Any) -> None:
    stream = Stream(interval_s=0).take([admission("p"), *events])
    said, state = len(stream.messages), stream.state("p")
    again = draw.sample(events, len(events))
    stream.take([*again, admission("p")])
    assert stream.messages[said:] == []
    assert_same(state, stream.state("p"))


@pytest.mark.parametrize("late_hours", [1, 20, 47])
def test_a_late_result_counts_as_if_it_had_come_in_time(late_hours: int) -> None:
    rng = np.random.default_rng(late_hours)
    events: list[Event] = []
    for hour in range(90):
        values = {"heart_rate": float(rng.integers(60, 120)), "map": float(rng.integers(50, 100))}
        events.append({"patient_id": "p", "time": ORIGIN_MS + hour * HOUR_MS, "values": values})
    result = {"patient_id": "p", "time": ORIGIN_MS + 40 * HOUR_MS + 5, "values": {"lactate": 6.0}}
    in_time = Stream().take([admission("p"), *events[:41], result, *events[41:]])
    after = 41 + late_hours
    delayed = Stream().take(
        [admission("p"), *events[:after], result, *events[after:]], [30, 60, 61]
    )
    assert_same(in_time.state("p"), delayed.state("p"))
    assert in_time.messages[-1] == delayed.messages[-1]


def test_a_result_more_than_two_days_late_is_told() -> None:
    hours = [{"patient_id": "p", "time": ORIGIN_MS + h * HOUR_MS, "values": {}} for h in range(60)]
    lactate = {"lactate": 6.0}
    just = {"patient_id": "p", "time": ORIGIN_MS + 11 * HOUR_MS, "values": lactate}
    over = {"patient_id": "p", "time": ORIGIN_MS + 11 * HOUR_MS - 1, "values": lactate}
    stream = Stream().take([admission("p"), *hours, just, over])
    assert [(r.record, r.reason) for r in stream.outcomes[0].rejections] == [(62, "too_late")]


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
    stream = Stream().take([admission("p"), *events], [7, 100])
    memory = features.empty_memory(1)
    static = np.array([[60, 0, np.nan, np.nan]], np.float32)
    seen = []
    for i, row in enumerate(rows):
        bins = np.array([first + i], np.int32)
        step, memory = features.step(clean(row[None]), bins, static, memory)
        seen.append(step)
    offline = MODEL.risks(MODEL.logits(np.stack(seen)))[:, 0]
    streamed = [
        [m["horizons"][h] for h in ("6h", "24h", "48h")] for m in stream.messages if "bin" in m
    ]
    assert [m["bin"] for m in stream.messages if "bin" in m] == list(range(first, first + hours))
    # One pass over time and step by step may add up in another order: 1e-6 is ten float32 ulps.
    assert np.abs(np.array(streamed) - offline).max() <= 1e-6


def test_a_risk_is_the_same_bits_whoever_else_is_in_the_batch() -> None:
    rng = np.random.default_rng(0)
    seen = rng.uniform(0, 100, (300, features.N_FEATURES)).astype(np.float32)
    size = MODEL.architecture
    h, c = rng.normal(size=(2, 300, size.layers, size.hidden)).astype(np.float32)
    together, _, _ = MODEL.step(seen, h, c)
    for n in (1, 2, 3, 5, 8, 17, 64, 299):
        alone, _, _ = MODEL.step(seen[:n], h[:n], c[:n])
        assert np.array_equal(alone, together[:n]), n
