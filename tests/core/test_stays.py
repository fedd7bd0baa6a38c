from __future__ import annotations

import numpy as np
import pytest

from streamer.core.lstm_network import Architecture
from streamer.core.stays import StayTable

SMALL = Architecture(n_features=3, hidden=2, layers=2)


def test_slots_are_given_out_reused_and_come_fresh() -> None:
    table = StayTable(SMALL, capacity=1)
    slots = [table.add(str(i), i % 2) for i in range(200)]
    assert sorted(slots) == list(range(200))
    assert table.slots_in(1).tolist() == sorted(slots[1::2])
    table["h"][slots[7]] = 5
    table.locations[slots[7]] = ("W", "1")
    table.remove("7")
    assert len(table) == 199
    assert slots[7] not in table.slots_in(1)
    again = table.add("new", 0)
    assert again == slots[7]
    assert not table["h"][again].any()
    assert table.locations[again] == ("", "")
    assert table.names(np.array([again])) == ["new"]


def test_growing_keeps_what_is_there() -> None:
    table = StayTable(SMALL, capacity=1)
    table["c"][table.add("first", 0)] = 3
    before = table.nbytes
    for i in range(300):
        table.add(str(i), 0)
    assert (table["c"][table.slot_of["first"]] == 3).all()
    assert table.nbytes > before
    assert next(iter(table)) == "first"


def test_a_patient_has_one_slot() -> None:
    table = StayTable(SMALL)
    table.add("p", 0)
    with pytest.raises(ValueError, match="already has a slot"):
        table.add("p", 0)


def test_every_field_of_a_new_stay_has_its_initial_value() -> None:
    table = StayTable(SMALL)
    slot = table.add("p", 0)
    for name, field in table.fields.items():
        assert table[name][slot].shape == field.shape
        assert table[name].dtype == np.dtype(field.dtype)
        if name not in ("memory", "anchor_memory"):  # the empty memory is not one number
            expected = np.full(field.shape, field.initial, field.dtype)
            assert table[name][slot].tobytes() == expected.tobytes(), name


def test_many_patients_get_fresh_slots_at_once() -> None:
    table = StayTable(SMALL, capacity=1)
    used = table.add("used", 0)
    table["h"][used] = 5
    table["origin_ms"][used] = 7
    table.locations[used] = ("W", "1")
    table.remove("used")
    slots = table.add_many([str(i) for i in range(100)], 3, filled=("origin_ms",))
    assert table.names(slots) == [str(i) for i in range(100)]
    assert table.slots_in(3).tolist() == sorted(slots.tolist())
    alone = StayTable(SMALL)
    one = alone.add("alone", 3)
    for name in table.fields.keys() - {"origin_ms"}:
        expected = np.broadcast_to(alone[name][one], table[name][slots].shape)
        np.testing.assert_array_equal(table[name][slots], expected)
    assert table.locations[used] == ("", "")
    assert table.touched[slots].all()
    with pytest.raises(ValueError, match="already has a slot"):
        table.add_many(["another", "7"], 0)
    with pytest.raises(ValueError, match="already has a slot"):
        table.add_many(["twice", "twice"], 0)
