from __future__ import annotations

import base64
import json
import struct
import zlib
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core import codec
from streamer.core.codec import CorruptState, Era
from streamer.core.lstm_network import Architecture
from streamer.core.stays import WEIGHT_FIELDS, StayTable
from streamer.core.stored_formats import WITHOUT_OWN
from tests.support.event_stream import (
    HeartRateModel,
    Stream,
    admission,
    assert_same,
    discharge,
    event,
    observation,
)
from tests.support.small_models import random_model

MODEL = random_model(1)
ERA = Era("m")


def stored(*, model_id: str = "0123456789ab", **location: str) -> bytes:
    stream = Stream(MODEL)
    stream.take(
        admission(**location), *(observation(h, ph=7.3, map=60 + h) for h in range(0, 60, 7))
    )
    (content,) = codec.encode(stream.table, stream.slot(), Era(model_id))
    return content


CONTENT = stored(ward="W", bed="7")


def with_checksum(content: bytearray) -> bytes:
    struct.pack_into("<I", content, 6, crc32(content[10:]))
    return bytes(content)


def load(content: bytes) -> StayTable:
    table = StayTable(MODEL.architecture)
    codec.decode(table, 4, {"p": content})
    return table


def test_what_is_loaded_is_what_was_stored() -> None:
    table = load(CONTENT)
    slot = table.slot_of["p"]
    assert table.partitions[slot] == 4
    assert table.locations[slot] == ("W", "7")
    assert not table.touched[slot]
    assert codec.encode(table, np.array([slot]), Era("0123456789ab")) == [CONTENT]


@pytest.mark.parametrize(
    ("ward", "bed"),
    [
        ("", ""),
        ("W", ""),
        ("", "7"),
        ("a\0b", "c"),
        ("a", "\0"),
        ("Österreich 🛏", "é"),
        ("x" * 128, "y"),
    ],
)
def test_places_come_back_whatever_is_in_them(ward: str, bed: str) -> None:
    table = load(stored(ward=ward, bed=bed))
    assert table.locations[table.slot_of["p"]] == (ward, bed)


def test_a_slot_that_was_used_before_keeps_nothing_of_it() -> None:
    table = StayTable(MODEL.architecture, capacity=1)
    fresh, used = load(stored()), table
    codec.decode(used, 0, {"p": CONTENT})
    used.remove("p")
    codec.decode(used, 4, {"p": stored()})
    for name in table.fields:
        assert used[name][used.slot_of["p"]].tobytes() == fresh[name][fresh.slot_of["p"]].tobytes()


def test_medication_alone_is_a_state_too() -> None:
    stream = Stream(MODEL)
    stream.take(event(0, "medication", drug="x", action="start", **{"class": "vasopressor"}))
    (content,) = codec.encode(stream.table, stream.slot(), ERA)
    table = load(content)
    assert table["medication_on"][table.slot_of["p"]].tolist() == [0, 1, 0, 0]


def test_no_stays_are_no_bytes() -> None:
    table = StayTable(MODEL.architecture)
    assert codec.encode(table, np.empty(0, np.intp), ERA) == []
    codec.decode(table, 0, {})
    assert len(table) == 0


def test_many_stays_each_get_their_own() -> None:
    stream = Stream(MODEL)
    names = [str(i) for i in range(20)]
    stream.take(*(observation(i, name, ph=6.7 + i / 20) for i, name in enumerate(names) if i % 3))
    stream.take(*(admission(0, name) for name in names if int(name) % 3 == 0))
    slots = np.array([stream.table.slot_of[name] for name in names])
    together = codec.encode(stream.table, slots, ERA)
    for slot, content in zip(slots, together, strict=True):
        assert codec.encode(stream.table, np.array([slot]), ERA) == [content]


def test_the_model_is_named() -> None:
    assert codec.model_of(CONTENT) == "0123456789ab"


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(at: int, change: int) -> None:
    changed = bytearray(CONTENT)
    changed[at] ^= change
    for read in (load, codec.model_of):
        with pytest.raises(CorruptState):
            read(bytes(changed))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, len(CONTENT) - 1))
def test_bytes_that_were_cut_are_found(length: int) -> None:
    for bad in (CONTENT[:length], CONTENT[length + 1 :] if length else CONTENT + b"\0"):
        for read in (load, codec.model_of):
            with pytest.raises(CorruptState):
                read(bad)


@pytest.mark.parametrize("bad", [b"", b"VGLS", b"{}", b"\0" * 5_000, CONTENT * 2, CONTENT[::-1]])
def test_what_is_no_stay_is_refused_by_name(bad: bytes) -> None:
    with pytest.raises(CorruptState) as error:
        load(bad)
    assert error.value.patient == "p"
    assert "'p'" not in str(error.value)


def test_another_version_is_refused_with_a_word_on_which() -> None:
    other = bytearray(CONTENT)
    struct.pack_into("<H", other, 4, codec.VERSION + 1)
    with pytest.raises(CorruptState, match=f"format {codec.VERSION + 1}"):
        load(bytes(other))


def test_another_layout_is_refused() -> None:
    wider = StayTable(Architecture(MODEL.architecture.n_features, hidden=16))
    with pytest.raises(CorruptState, match="layout"):
        codec.decode(wider, 0, {"p": CONTENT})


def test_a_cell_outside_of_the_ring_is_refused() -> None:
    stream = Stream(HeartRateModel())
    stream.take(observation(0, ph=7.3))
    (content,) = codec.encode(stream.table, stream.slot(), ERA)
    bad = bytearray(content)
    struct.pack_into("<H", bad, len(bad) - 10, 60_000)  # the only cell: place, offset, value
    with pytest.raises(CorruptState, match="outside of the ring"):
        load(with_checksum(bad))


def test_a_bed_that_is_no_text_is_refused() -> None:
    bad = bytearray(CONTENT)
    bad[-1] = 0xFF
    with pytest.raises(CorruptState, match="not valid UTF-8"):
        load(with_checksum(bad))


def test_who_sleeps_on_is_read_for_the_day_alone() -> None:
    table = StayTable(MODEL.architecture)
    last_seen_day = int(load(CONTENT)["last_seen_day"][0])
    for era in (Era("0123456789ab"), Era("another")):
        assert codec.outlines(table, {"p": CONTENT, "q": CONTENT}, era) == dict.fromkeys(
            ("p", "q"), (last_seen_day, False)
        )
    assert not len(table)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(10, len(CONTENT) - 1), st.integers(0, 40), st.binary(max_size=2))
def test_who_may_sleep_can_be_woken(at: int, length: int, instead: bytes) -> None:
    bad = bytearray(CONTENT)
    bad[at : at + length] = instead
    content, era = with_checksum(bad), Era("0123456789ab")
    read: list[bool] = []
    for ask in (codec.outlines, lambda table, stays, era: codec.decode(table, 0, stays, era)):
        table = StayTable(MODEL.architecture)
        try:
            ask(table, {"p": content}, era)
        except CorruptState:
            read.append(False)
        else:
            read.append(True)
    assert read[0] == read[1]


def test_a_bad_stay_leaves_those_before_it() -> None:
    table = StayTable(MODEL.architecture)
    with pytest.raises(CorruptState) as error:
        codec.decode(table, 0, {"p": CONTENT, "q": CONTENT[:-1], "r": CONTENT})
    assert error.value.patient == "q"
    assert list(table) == ["p"]


@pytest.mark.parametrize("era", [Era("another"), Era("0123456789ab", 1)])
@pytest.mark.parametrize("hidden", [4, 8, 16])
def test_a_stay_of_another_era_comes_without_what_its_weights_made(era: Era, hidden: int) -> None:
    table = StayTable(Architecture(MODEL.architecture.n_features, hidden))
    assert codec.decode(table, 0, {"p": CONTENT}, era) == ["p"]
    same = load(CONTENT)
    for name in table.fields:
        loaded, original = table[name][table.slot_of["p"]], same[name][same.slot_of["p"]]
        if name in WEIGHT_FIELDS:
            assert original.any()
            assert not loaded.any()
        else:
            assert loaded.tobytes() == original.tobytes()


def test_a_stay_of_the_same_era_is_whole() -> None:
    table = StayTable(MODEL.architecture)
    assert codec.decode(table, 0, {"p": CONTENT}, Era("0123456789ab")) == []
    assert codec.encode(table, np.array([table.slot_of["p"]]), Era("0123456789ab")) == [CONTENT]


@pytest.mark.parametrize("version", [2, 3])
def test_stays_of_the_formats_before_are_read_and_go_on(version: int) -> None:
    """Each file was written by a version of that format, from these events."""
    courses = {
        "p": [
            admission(0, "p", age=60, ward="A", bed="1"),
            *(
                observation(h / 2, "p", heart_rate=70 + h, lactate=h / 10 if h % 7 == 0 else None)
                for h in range(20)
            ),
        ],
        "q": [observation(0, "q", ph=7.3), observation(3, "q", sbp=100), discharge(5, "q")],
    }
    written = json.loads((Path(__file__).parent / f"stays_of_format_{version}.json").read_text())
    contents = {p: zlib.decompress(base64.b64decode(text)) for p, text in written.items()}
    old = Stream(MODEL, 60)
    assert codec.decode(old.table, 0, contents, Era("0123456789ab")) == []
    new = Stream(MODEL, 60)
    new.take(*courses["p"], *courses["q"])
    for patient in courses:
        assert_same(old.committed(patient), new.committed(patient))
        assert old.field("discharge_ms", patient) == new.field("discharge_ms", patient)
        more = observation(11, patient, ph=7.2, heart_rate=90)
        assert old.take(more)[0]["risk"] == new.take(more)[0]["risk"]
    slots = np.array([old.table.slot_of["p"]])
    (again,) = codec.encode(old.table, slots, Era("0123456789ab"))
    assert struct.unpack_from("<4sH", again) == (b"VGLS", WITHOUT_OWN)
