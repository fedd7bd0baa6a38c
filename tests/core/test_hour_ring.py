"""The compact hour ring against dense arrays, and the memory that it takes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.hour_ring import ELEMENTS, NOT_MEASURED, RING, HourLayer, number_cells, slots_of
from streamer.core.variables import INDEX, N_VARIABLES

SLOTS = 5
LACTATE, HEART_RATE = INDEX["lactate"], INDEX["heart_rate"]

cells = st.tuples(
    st.integers(0, SLOTS - 1), st.integers(0, 3), st.sampled_from([0, 7, 8, 9, N_VARIABLES - 1])
)
writes = st.tuples(st.just("write"), st.sets(cells, min_size=1, max_size=8))
hours = st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(0, 3)), min_size=1, max_size=4)
clears = st.tuples(st.just("clear"), hours)
emptied = st.tuples(st.just("empty"), st.lists(st.integers(0, SLOTS - 1), min_size=1, max_size=2))


def layer_of(slots: int) -> HourLayer:
    layer = HourLayer()
    layer.add_slots(slots)
    return layer


def write(layer: HourLayer, chosen: list[tuple[int, int, int]], value: float) -> None:
    slots, hours_, variables = map(np.array, zip(*chosen, strict=True))
    at = layer.own_addresses(number_cells(slots, hours_, variables))
    layer.value[at], layer.offset_ms[at], layer.rank[at] = value, int(value), 1


@settings(max_examples=40)
@given(st.lists(writes | clears | emptied, max_size=20))
def test_it_holds_what_dense_arrays_hold(steps: list[tuple[str, object]]) -> None:
    layer = layer_of(SLOTS)
    dense = {
        name: np.full((SLOTS, RING, N_VARIABLES), nothing, dtype)
        for name, (dtype, nothing) in ELEMENTS.items()
    }
    for number, (kind, what) in enumerate(steps):
        chosen = sorted(what)  # type: ignore[call-overload]
        index: tuple[np.ndarray, ...]
        if kind == "write":
            write(layer, chosen, number + 1)
            index = tuple(map(np.array, zip(*chosen, strict=True)))
            dense["value"][index], dense["offset_ms"][index] = number + 1, number + 1
            dense["rank"][index] = 1
        else:
            if kind == "clear":
                index = tuple(map(np.array, zip(*chosen, strict=True)))
                layer.clear(*index)
            else:
                index = (np.array(chosen),)
                layer.clear(index[0])
            for name, (_, nothing) in ELEMENTS.items():
                dense[name][index] = nothing
        every = np.arange(SLOTS)
        for name in ELEMENTS:
            np.testing.assert_array_equal(layer.dense(name, every), dense[name])
            rows = getattr(layer, name)[layer.rows_at(every[:, None], np.arange(RING))]
            np.testing.assert_array_equal(rows, dense[name])
        owner, place, at = layer.measured(every)
        expected = np.nonzero(dense["offset_ms"].reshape(SLOTS, -1) != NOT_MEASURED)
        np.testing.assert_array_equal(owner, expected[0])
        np.testing.assert_array_equal(place, expected[1])
        np.testing.assert_array_equal(layer.value[at], dense["value"].reshape(SLOTS, -1)[expected])


def test_reading_an_hour_without_a_row_gives_nothing_and_takes_no_memory() -> None:
    layer = layer_of(1)
    before = layer.nbytes
    at = layer.at(np.array([0]), np.array([5]), np.array([LACTATE]))
    assert np.isnan(layer.value[at]).all()
    assert (layer.offset_ms[at] == NOT_MEASURED).all()
    assert layer.nbytes == before


def test_rows_of_cleared_hours_are_used_again() -> None:
    layer = layer_of(2)
    for hour in range(3 * RING):
        layer.clear(np.array([0, 1]), np.array([hour % RING] * 2))
        write(layer, [(slot, hour % RING, HEART_RATE) for slot in (0, 1)], 1)
        if hour == RING:
            held = layer.nbytes
    assert layer.nbytes == held


def test_stays_are_copied_to_another_layer() -> None:
    source, target = layer_of(3), layer_of(4)
    write(source, [(2, 4, HEART_RATE), (2, 5, LACTATE)], 7)
    write(source, [(0, 4, LACTATE)], 9)
    target.copy(np.array([1, 3, 0]), source, np.array([2, 0, 1]), np.arange(N_VARIABLES))
    for name in ELEMENTS:
        np.testing.assert_array_equal(
            target.dense(name, np.array([1, 3, 0])), source.dense(name, np.array([2, 0, 1]))
        )


def test_vital_signs_of_each_hour_take_a_quarter_of_a_dense_ring() -> None:
    layer = layer_of(200)
    empty = layer.nbytes
    chosen = [(slot, hour, HEART_RATE) for slot in range(200) for hour in range(RING)]
    write(layer, chosen, 1)
    dense = 200 * RING * N_VARIABLES * (4 + 4 + 2)
    assert layer.nbytes - empty < dense * 0.4  # rows, and what the arrays keep for later


def test_cells_rise_with_slot_hour_and_variable_and_name_their_slot() -> None:
    slots, hours_, variables = (
        axis.reshape(-1) for axis in np.meshgrid(range(3), range(RING), range(N_VARIABLES),
                                                 indexing="ij")
    )  # fmt: skip
    numbers = number_cells(slots, hours_, variables)
    assert (np.diff(numbers) > 0).all()
    np.testing.assert_array_equal(slots_of(numbers), slots)
