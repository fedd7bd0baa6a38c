"""Stays between tables of different variables, by ring, memory and stored form."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.core import codec
from streamer.core.codec import CorruptState, Era
from streamer.core.moved_stays import copy_stays, moved_to
from streamer.core.own_variables import read_own
from streamer.core.stays import StayTable
from streamer.core.stored_formats import WITH_OWN, WITHOUT_OWN
from streamer.core.variables import BUILT_IN, N_VARIABLES, VariableTable
from tests.support.event_stream import Stream, admission, discharge, observation
from tests.support.small_models import random_model
from tests.support.task_files import NEW_VARIABLES

OWN = VariableTable(read_own(NEW_VARIABLES))
OTHER = VariableTable(
    read_own(
        {
            "albumin": {"unit": "g/dL", "low": 0.5, "high": 7, "reference": [3.5, 5]},
            "procalcitonin": NEW_VARIABLES["procalcitonin"],
            # The same name in another unit is another variable.
            "sodium": {"unit": "mg/dL", "low": 80, "high": 800, "reference": [310, 335]},
        }
    )
)
AS_MANY = VariableTable(OTHER.own[:2])
"""Of the same size, in another order."""
PROCALCITONIN, SODIUM = N_VARIABLES, N_VARIABLES + 1
NEW, ERA = random_model(1, variables=OWN), Era("0123456789ab")


def course(hours: int = 60) -> list[dict[str, object]]:
    """Two days and a half, so that some hours have left the ring."""
    return [
        admission(0, "p", age=60, ward="A"),
        *(
            observation(
                h / 2,
                "p",
                heart_rate=70 + h % 20,
                procalcitonin=h / 10 if h % 7 == 0 else None,
                lactate=1 + h / 50 if h % 9 == 0 else None,
                sodium=140.5 if h % 11 == 0 else None,
            )
            for h in range(2 * hours)
        ),
        discharge(hours + 1, "p"),
    ]


def streamed(variables: VariableTable, hours: int = 60) -> Stream:
    stream = Stream(random_model(1, variables=variables), 60)
    stream.take(*course(hours))
    return stream


def dense(table: StayTable) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    return {name: table[name][table.slot_of["p"]] for name in table.fields}


def test_a_variable_that_both_know_keeps_its_values_and_the_others_none() -> None:
    assert moved_to(OWN, OTHER)[N_VARIABLES:].tolist() == [N_VARIABLES + 1, -1]
    assert moved_to(OWN, BUILT_IN)[N_VARIABLES:].tolist() == [-1, -1]
    source = streamed(OWN).table
    target = StayTable(source.architecture, variables=OTHER)
    target["last_value"][:] = 7  # what a slot held before
    (slot,) = target.add_many(["p"], 0, source.fields).tolist()
    copy_stays(source, source.slot_of["p"] + np.zeros(1, np.intp), target, np.array([slot]),
               source.fields)  # fmt: skip
    old, new = dense(source), dense(target)
    assert old["last_value"][SODIUM] == np.float32(140.5)
    assert new["last_value"][N_VARIABLES + 1] == old["last_value"][PROCALCITONIN]
    assert np.isnan(new["last_value"][[N_VARIABLES, N_VARIABLES + 2]]).all()
    np.testing.assert_array_equal(new["ring_value"][:, :34], old["ring_value"][:, :34])
    np.testing.assert_array_equal(new["ring_value"][:, 35], old["ring_value"][:, 34])
    assert np.isnan(new["ring_value"][:, [34, 36]]).all()
    assert target.locations[slot] == ("A", "")


@pytest.mark.parametrize(
    "target", [OWN, OTHER, AS_MANY, BUILT_IN], ids=["same", "others", "as many", "34"]
)
def test_a_stay_that_is_moved_is_as_if_it_had_always_been_of_the_other_table(
    target: VariableTable,
) -> None:
    """But for weights: memory and ring are those that the same events make there."""
    source = streamed(OWN).table
    (stored,) = codec.encode(source, np.array([source.slot_of["p"]]), ERA)
    assert stored[4] == WITH_OWN
    assert codec.variables_of(stored).key == OWN.key
    moved = StayTable(random_model(2, variables=target).architecture, variables=target)
    assert codec.decode(moved, 0, {"p": stored}, Era("ba9876543210")) == ["p"]
    known = [
        {**event, "values": {n: v for n, v in values.items() if n != "sodium"}}
        if target is OTHER and isinstance(values := event.get("values"), dict)
        else event
        for event in course()
    ]
    there = Stream(random_model(1, variables=target), 60)
    there.take(*known)
    for name in ("memory", "anchor_memory", "last_value", "last_ms", "ring_value", "under_value"):
        np.testing.assert_array_equal(dense(moved)[name], dense(there.table)[name], err_msg=name)


def test_a_stay_of_the_same_table_goes_on_bit_for_bit() -> None:
    source = streamed(OWN, 20)
    slots = np.array([source.table.slot_of["p"]])
    (stored,) = codec.encode(source.table, slots, ERA)
    again = Stream(source.model, 60)
    assert codec.decode(again.table, 0, {"p": stored}, ERA) == []
    assert codec.encode(again.table, slots * 0 + again.table.slot_of["p"], ERA) == [stored]
    more = observation(22, "p", procalcitonin=40, heart_rate=120)
    assert again.take(more)[0]["risk"] == source.take(more)[0]["risk"]


def test_stays_from_before_a_variable_was_known_are_read_and_those_with_more_are_too() -> None:
    plain = streamed(BUILT_IN, 20).table
    (stored,) = codec.encode(plain, np.array([plain.slot_of["p"]]), ERA)
    assert stored[4] == WITHOUT_OWN
    wide = StayTable(NEW.architecture, variables=OWN)
    assert codec.decode(wide, 0, {"p": stored}, Era("ba9876543210")) == ["p"]
    assert np.isnan(dense(wide)["last_value"][N_VARIABLES:]).all()
    assert codec.outlines(wide, {"p": stored}, ERA)["p"].last_seen_day >= 0


def test_an_older_format_has_the_34_alone() -> None:
    source = streamed(OWN, 20)
    source.table.written_format = WITHOUT_OWN
    (stored,) = codec.encode(source.table, np.array([source.table.slot_of["p"]]), ERA)
    assert stored[4] == WITHOUT_OWN
    again = StayTable(source.model.architecture, variables=OWN)
    codec.decode(again, 0, {"p": stored}, ERA)
    old, new = dense(source.table), dense(again)
    for name in ("h", "c", "anchor_h"):
        np.testing.assert_array_equal(new[name], old[name])
    assert np.isnan(new["last_value"][N_VARIABLES:]).all()
    np.testing.assert_array_equal(new["last_value"][:34], old["last_value"][:34])


def test_a_cut_list_of_variables_is_refused() -> None:
    source = streamed(OWN, 3).table
    (stored,) = codec.encode(source, np.array([source.slot_of["p"]]), ERA)
    with pytest.raises(CorruptState):
        codec.decode(StayTable(NEW.architecture, variables=OWN), 0, {"p": stored[:-3]}, ERA)
