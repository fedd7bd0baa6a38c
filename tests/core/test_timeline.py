from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from streamer.core.hour_ring import NOT_MEASURED, RING
from streamer.core.lstm_network import Architecture
from streamer.core.stays import StayTable
from streamer.core.time import HOUR_MS
from streamer.core.timeline import (
    PLAIN,
    Cells,
    Folded,
    bin_of,
    cells_of,
    clear_rows,
    fold,
    rows_at,
    start,
)
from streamer.core.variables import INDEX
from tests.support.event_stream import ORIGIN_MS

SMALL = Architecture(n_features=1, hidden=1)
PH, LACTATE = INDEX["ph"], INDEX["lactate"]


def stay(open_bin: int = 0) -> tuple[StayTable, int]:
    table = StayTable(SMALL, capacity=1)
    slot = table.add("p", 0)
    table["origin_ms"][slot] = ORIGIN_MS
    start(table, np.array([slot]), np.array([open_bin]))
    return table, slot


def put(table: StayTable, slot: int, *cells: tuple[int, int, float]) -> list[bool]:
    """Folds cells of (milliseconds since the origin, variable, value); says which changed."""
    changed: list[bool] = folded(table, slot, *cells).changed.tolist()
    return changed


def folded(table: StayTable, slot: int, *cells: tuple[int, int, float]) -> Folded:
    elapsed, variables, values = zip(*cells, strict=True)
    return fold(
        table,
        np.full(len(cells), slot),
        Cells(
            ORIGIN_MS + np.array(elapsed, np.int64),
            np.array(variables, np.int16),
            np.array(values, np.float32),
            np.full(len(cells), PLAIN, np.uint16),
        ),
    )


@pytest.mark.parametrize(
    ("elapsed", "expected"),
    [(0, 0), (HOUR_MS - 1, 0), (HOUR_MS, 1), (-1, -1), (-HOUR_MS, -1), (-HOUR_MS - 1, -2)],
)
def test_bins_are_floors_on_both_sides_of_the_origin(elapsed: int, expected: int) -> None:
    assert bin_of(np.array([ORIGIN_MS + elapsed]), np.array([ORIGIN_MS])).tolist() == [expected]


CELLS = [(10, PH, 7.2), (20, PH, 7.1), (20, PH, 7.3), (5, LACTATE, 2.0), (20, PH, 7.3)]


@pytest.mark.parametrize("order", list(permutations(range(len(CELLS)))))
def test_the_latest_counts_and_of_equal_times_the_greatest(order: tuple[int, ...]) -> None:
    at_once, slot = stay()
    put(at_once, slot, *(CELLS[i] for i in order))
    singly, _ = stay()
    for i in order:
        put(singly, slot, CELLS[i])
    for table in (at_once, singly):
        row = rows_at(table, np.array([slot]), np.array([0]))[0]
        assert (row[PH], row[LACTATE]) == (np.float32(7.3), 2)
        assert table["ring_offset_ms"][slot, 0, PH] == 20
        assert table["last_value"][slot, PH] == np.float32(7.3)
        assert table["last_ms"][slot, PH] == ORIGIN_MS + 20
        assert table["dirty"][slot] == 0


@pytest.mark.parametrize("order", list(permutations((7.1, 7.2, 7.3))))
@pytest.mark.parametrize("cuts", [(), (1,), (2,), (1, 2)])
def test_values_of_one_moment_contradict_each_other_in_any_order_and_batches(
    order: tuple[float, ...], cuts: tuple[int, ...]
) -> None:
    """The second and each further one is counted; another moment and a repetition are none."""
    table, slot = stay()
    n_conflicts = 0
    for begin, end in pairwise((0, *cuts, len(order))):
        cells = [(20, PH, value) for value in order[begin:end]]
        n_conflicts += folded(table, slot, *cells).conflicts.sum()
    assert n_conflicts == 2
    again = folded(table, slot, (20, PH, 7.3), (20, PH, 7.3), (30, PH, 7.0), (20, LACTATE, 2.0))
    assert not again.conflicts.any()
    below = folded(table, slot, (20, PH, 7.4))  # of the moment before the newest
    assert below.conflicts.all()


def test_only_what_is_new_changes_anything() -> None:
    table, slot = stay()
    assert put(table, slot, (20, PH, 7.2)) == [True]
    assert put(table, slot, (20, PH, 7.2), (19, PH, 7.9), (20, PH, 7.1)) == [False] * 3
    assert put(table, slot, (20, PH, 7.25), (21, PH, 6.9)) == [True, True]
    assert rows_at(table, np.array([slot]), np.array([0]))[0, PH] == np.float32(6.9)


def test_a_closed_bin_makes_the_stay_dirty_only_when_it_changes() -> None:
    table, slot = stay()
    put(table, slot, (20, PH, 7.2))
    table["open_bin"][slot] = 1
    put(table, slot, (20, PH, 7.2), (HOUR_MS, PH, 7.4))
    assert table["dirty"][slot] == 0
    put(table, slot, (21, PH, 7.1))
    assert table["dirty"][slot] == 1
    assert table["last_value"][slot, PH] == np.float32(7.4)  # a late value is not the newest


@pytest.mark.parametrize("open_bin", [0, 5, 48, 49, 1_000_000])
def test_cells_come_back_as_they_went_in(open_bin: int) -> None:
    table, slot = stay(open_bin)
    put_in = [
        ((open_bin - back) * HOUR_MS + 1_000 * back, PH, 7 + back / 100) for back in range(RING)
    ]
    put(table, slot, *put_in)
    cells = cells_of(table, slot)
    elapsed_ms = (cells.time_ms - ORIGIN_MS).tolist()
    assert sorted(elapsed_ms) == sorted(elapsed for elapsed, _, _ in put_in)
    assert set(cells.variable.tolist()) == {PH}
    by_time = dict(zip(elapsed_ms, cells.value.tolist(), strict=True))
    assert by_time == {elapsed: np.float32(value) for elapsed, _, value in put_in}


def test_clearing_takes_one_bin_and_leaves_the_others() -> None:
    table, slot = stay(1)
    put(table, slot, (0, PH, 7.2), (HOUR_MS, PH, 7.3))
    clear_rows(table, np.array([slot]), np.array([RING]))  # the place of bin 0
    assert table["ring_offset_ms"][slot, 0, PH] == NOT_MEASURED
    assert np.isnan(table["ring_value"][slot, 0]).all()
    assert table["ring_value"][slot, 1, PH] == np.float32(7.3)
