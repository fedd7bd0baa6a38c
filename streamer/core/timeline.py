"""Hour bins of a stay: the bin of an event, and the fold of its values into the hour ring.

Each moment of a variable has the value of the greatest (revision, value); a null of a revision
above 0 withdraws the values of lower ones. The ring keeps the two newest moments of a variable in
an hour, withdrawn ones included; the hour has the value of the newer one that is not withdrawn. So
a bin depends only on the set of its events: neither order nor repetition changes it (decision 023).

An entry's *rank* orders what is known of one moment: twice the revision, plus one for a value. Rank
0 is no entry, an even rank is a withdrawn moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.hour_ring import NOT_MEASURED, RING, HourLayer, number_cells, slots_of
from streamer.core.stays import LAYERS, NEVER, Slots, StayTable
from streamer.core.time import HOUR_MS

Bins = NDArray[np.int64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Ranks = NDArray[np.uint16]

PLAIN: Final = 1
"""The rank of a value that nobody has corrected."""
_RANK_BITS: Final = 9
_RANKS: Final = (1 << _RANK_BITS) - 1
_OFFSET_BITS: Final = 22  # milliseconds of an hour


def bin_of(time_ms: NDArray[np.int64], origin_ms: NDArray[np.int64]) -> Bins:
    """Returns the hour bin of each time: ``floor((time - origin) / 1 h)``.

    >>> bin_of(np.array([3_599_999, 3_600_000]), np.array([0, 0])).tolist()
    [0, 1]
    """
    return (time_ms - origin_ms) // HOUR_MS


def start(table: StayTable, slots: Slots, bins: NDArray[Any]) -> None:
    """Opens the first bin of stays that had no observation yet."""
    table["first_bin"][slots] = bins
    table["open_bin"][slots] = bins
    table["anchor_bin"][slots] = bins - 1
    table["started"][slots] = 1


def start_earlier(table: StayTable, slots: Slots, bins: NDArray[Any]) -> None:
    """Moves the first bin of stays back, for a late event from before the first one known."""
    first = table["first_bin"][slots]
    np.minimum.at(table["first_bin"], slots, bins.astype(np.int32))
    moved = slots[bins < first]
    # Until the ring is full the anchor is the empty state, whichever bin comes first.
    table["anchor_bin"][moved] = table["first_bin"][moved] - 1
    table["dirty"][moved] = 1


@dataclass(slots=True)
class Cells:
    """What is known of ``n`` moments, an array ``(n,)`` each: when, of what, value and rank."""

    time_ms: NDArray[np.int64]
    variable: NDArray[np.int16]
    value: Floats
    rank: Ranks

    def __getitem__(self, chosen: Any) -> Cells:
        return Cells(
            self.time_ms[chosen], self.variable[chosen], self.value[chosen], self.rank[chosen]
        )


@dataclass(slots=True)
class Folded:
    """What a fold did to each of ``n`` cells.

    Attributes:
        changed: ``(n,)`` it changed the value of its hour, or the moment that it is of.
        conflicts: ``(n,)`` another value of its moment and revision was known, or came with it.
    """

    changed: Mask
    conflicts: Mask


def fold(table: StayTable, slots: Slots, cells: Cells) -> Folded:
    """Folds measured values into the ring and into the newest values of their stays.

    The bins must lie inside the ring of their stay. A stay in which a closed bin changes is marked
    dirty: its committed state has to be stepped again from the anchor.

    Args:
        table: the stays; changed in place.
        slots: ``(n,)`` the stay of each value.
        cells: the values, cleaned; NaN where one is withdrawn.
    """
    elapsed = cells.time_ms - table["origin_ms"][slots]
    bins = elapsed // HOUR_MS
    offset_ms = elapsed - bins * HOUR_MS
    at = number_cells(slots, bins % RING, cells.variable)
    new = _Entries(offset_ms << _RANK_BITS | cells.rank, cells.value)
    top = _Entries.read(table.layers["ring"], at)
    changed = new.beats(top)
    enters, conflicts = changed.copy(), changed & (new.key == top.key)
    behind = np.flatnonzero(~changed)  # few: most moments are newer than all that is known
    if len(behind):
        late, above = new[behind], top[behind]
        under = _Entries.read(table.layers["under"], at[behind])
        # What is known of the top moment is no news of the one below it.
        beats_under = late.beats(under) & ~late.is_moment_of(above)
        changed[behind] = above.is_withdrawn & beats_under
        enters[behind] = beats_under
        conflicts[behind] = late.contradicts(above) | late.contradicts(under)
    newest = np.flatnonzero(~enters)
    entering = np.flatnonzero(enters)
    if len(entering):
        greatest, contradicted = _enter(table, at[entering], new[entering])
        newest = np.append(newest, entering[greatest])
        conflicts[entering[contradicted]] = True
        table["dirty"][slots[changed & (bins < table["open_bin"][slots])]] = 1
    _fold_newest(table, slots, cells, newest)
    return Folded(changed, conflicts)


@dataclass(slots=True)
class _Entries:
    """Entries of ``n`` cells: ``key`` is moment and rank in one number, -1 where there is none."""

    key: NDArray[np.int64]
    value: Floats

    @classmethod
    def read(cls, layer: HourLayer, at: NDArray[np.int64]) -> _Entries:
        addresses = layer.addresses(at)
        offset_ms = layer.offset_ms[addresses].astype(np.int64)
        rank = layer.rank[addresses]
        key = np.where(offset_ms == NOT_MEASURED, -1, offset_ms << _RANK_BITS | rank)
        return cls(key, np.where(rank & 1, layer.value[addresses], np.float32(np.nan)))

    def write(self, layer: HourLayer, at: NDArray[np.int64]) -> None:
        is_none = self.key < 0
        addresses = layer.own_addresses(at)
        layer.offset_ms[addresses] = np.where(is_none, NOT_MEASURED, self.key >> _RANK_BITS)
        layer.rank[addresses] = np.where(is_none, 0, self.key & _RANKS)
        layer.value[addresses] = self.value

    def __getitem__(self, chosen: Any) -> _Entries:
        return _Entries(self.key[chosen], self.value[chosen])

    @property
    def is_withdrawn(self) -> Mask:
        withdrawn: Mask = (self.key >= 0) & (self.key & 1 == 0)
        return withdrawn

    def is_moment_of(self, other: _Entries) -> Mask:
        same: Mask = (self.key >> _RANK_BITS == other.key >> _RANK_BITS) & (other.key >= 0)
        return same

    def beats(self, other: _Entries) -> Mask:
        better: Mask = (self.key > other.key) | (
            (self.key == other.key) & (self.value > other.value)
        )
        return better

    def contradicts(self, other: _Entries) -> Mask:
        differs: Mask = (self.key == other.key) & (self.key & 1 == 1) & (self.value != other.value)
        return differs


def _enter(
    table: StayTable, at: NDArray[np.int64], new: _Entries
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Keeps the two newest moments of each cell, of those that are stored and those that come.

    Returns:
        For each cell that entries come for, the index of the newest; the indices of entries that
        another one of their moment and revision contradicts.
    """
    moments, contradicted = _moments(at, new)
    cells = at[moments]
    ends = np.flatnonzero(np.append(cells[1:] != cells[:-1], True))
    newest, at = moments[ends], cells[ends]
    below = np.maximum(ends - 1, 0)
    second = new[moments[below]]
    second.key = np.where((ends > 0) & (cells[below] == at), second.key, -1)
    _keep_two(table, at, new[newest], second)
    return newest, contradicted


def _moments(at: NDArray[np.int64], new: _Entries) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The indices of the greatest entry of each moment, sorted by cell, then by moment.

    And those of entries that a greater value of the same moment and revision contradicts.
    """
    contradicted = np.empty(0, np.intp)
    packed = at << (_OFFSET_BITS + _RANK_BITS) | new.key
    order = np.argsort(packed)
    in_order = packed[order]
    if (in_order[1:] == in_order[:-1]).any():  # the greater value is to be last
        order = np.lexsort((new.value, packed))
        in_order = packed[order]
        entries = new[order]
        same = in_order[1:] == in_order[:-1]
        contradicted = order[:-1][same & entries[1:].contradicts(entries[:-1])]
    moment = in_order >> _RANK_BITS
    greatest: NDArray[np.intp] = order[np.append(moment[1:] != moment[:-1], True)]
    return greatest, contradicted


def _keep_two(table: StayTable, at: NDArray[np.int64], newest: _Entries, second: _Entries) -> None:
    """Keeps the two newest moments of distinct cells; a key of -1 is no entry."""
    ring = table.layers["ring"]
    before = ring.value[ring.addresses(at)]
    stored = [_Entries.read(layer, at) for layer in table.layers.values()]
    if (stored[0].key < 0).all() and (stored[1].key < 0).all():  # as where an hour has just begun
        second.value[second.key < 0] = np.nan
        _write_two(table, at, newest, second, before)
        return
    entries = [newest, second, *stored]
    for ours in entries[:2]:
        for theirs in stored:
            same = (ours.key >= 0) & ours.is_moment_of(theirs)
            wins = theirs.beats(ours)
            ours.key[same & wins] = -1
            theirs.key[same & ~wins] = -1
    key = np.stack([entry.key for entry in entries], axis=1)
    value = np.stack([entry.value for entry in entries], axis=1)
    value[key < 0] = np.nan
    order = np.argsort(key, axis=1)
    row = np.arange(len(at))
    under, top = (
        _Entries(key[row, column], value[row, column]) for column in (order[:, -2], order[:, -1])
    )
    _write_two(table, at, top, under, before)


def _write_two(
    table: StayTable, at: NDArray[np.int64], top: _Entries, under: _Entries, before: Floats
) -> None:
    """Writes the two newest moments of distinct cells; ``before`` is what their hours had."""
    stored = table.layers["under"]
    kept = np.flatnonzero((under.key >= 0) | (stored.offset_ms[stored.addresses(at)] >= 0))
    under[kept].write(stored, at[kept])  # most hours have one moment, and no row for a second
    # What steps read is the value that the hour has, be it that of the moment below.
    top.value = np.where(top.is_withdrawn, under.value, top.value)
    top.write(table.layers["ring"], at)
    # NaN differs from any value; a newer time with the old value leaves the hour row as it was.
    table["has_provisional"][slots_of(at[top.value != before])] = 0


def _fold_newest(table: StayTable, slots: Slots, cells: Cells, newest: NDArray[np.intp]) -> None:
    """Keeps the newest value of each variable; where one was corrected, finds it in the ring.

    Args:
        table: the stays.
        slots: ``(n,)``.
        cells: ``(n,)``.
        newest: indices of those that may be the newest of their stay and variable.
    """
    is_plain = cells.rank == PLAIN
    if not is_plain.all():
        table["corrected"][slots[~is_plain]] = 1
    in_order = table["corrected"][slots] == 0
    if not in_order.all():
        _find_newest(table, slots[~in_order], cells.variable[~in_order])
        newest = newest[in_order[newest]]
    slots, cells = slots[newest], cells[newest]
    at = (slots, cells.variable)
    newer = _is_newer(cells.time_ms, cells.value, table["last_ms"][at], table["last_value"][at])
    _keep_newest((table["last_ms"], table["last_value"]), at, cells.time_ms, cells.value, newer)


def _find_newest(table: StayTable, slots: Slots, variables: NDArray[np.int16]) -> None:
    """Sets the newest value from the ring; one from before the ring stands if the ring has none."""
    n_variables = len(table.variables)
    slots, columns = np.divmod(np.unique(slots * n_variables + variables), n_variables)
    ring, under = (table.layers[layer] for layer in LAYERS)
    hours = (slots[:, None], np.arange(RING), columns[:, None])
    at = ring.at(*hours)
    value = ring.value[at]
    is_below = ring.rank[at] & 1 == 0
    offset_ms = np.where(is_below, under.offset_ms[under.at(*hours)], ring.offset_ms[at])
    open_bin = table["open_bin"][slots].astype(np.int64)[:, None]
    bins = open_bin - (open_bin - np.arange(RING)) % RING
    origin_ms = table["origin_ms"][slots]
    time_ms = np.where(np.isnan(value), NEVER, origin_ms[:, None] + bins * HOUR_MS + offset_ms)
    newest = time_ms.argmax(axis=1)
    row = np.arange(len(slots))
    ring_begins_ms = origin_ms + (open_bin[:, 0] - RING + 1) * HOUR_MS
    found_ms, before_ms = time_ms[row, newest], table["last_ms"][slots, columns]
    stands = (found_ms == NEVER) & (before_ms < ring_begins_ms)
    table["last_ms"][slots, columns] = np.where(stands, before_ms, found_ms)
    table["last_value"][slots, columns] = np.where(
        stands, table["last_value"][slots, columns], value[row, newest]
    )


def _is_newer(
    times: NDArray[Any], values: Floats, old_times: NDArray[Any], old_values: Floats
) -> Mask:
    newer: Mask = (times > old_times) | ((times == old_times) & (values > old_values))
    return newer


def _keep_newest(
    stored: tuple[NDArray[Any], Floats],
    cells: tuple[NDArray[Any], ...],
    times: NDArray[Any],
    values: Floats,
    newer: Mask,
) -> None:
    """Writes the newer values; of several for one cell the newest stays, whatever their order.

    Numpy keeps the last of several, which is the newest while events come in order. A value that
    an older one has overwritten is written again.

    Args:
        stored: arrays of times and of values, changed in place.
        cells: ``(n,)`` each, the indices of a cell in both.
        times: ``(n,)``.
        values: ``(n,)``.
        newer: ``(n,)`` which of them are newer than the stored ones.
    """
    stored_times, stored_values = stored
    while True:
        index = np.flatnonzero(newer)
        if not len(index):
            return
        cells = tuple(axis[index] for axis in cells)
        times, values = times[index], values[index]
        stored_times[cells], stored_values[cells] = times, values
        newer = _is_newer(times, values, stored_times[cells], stored_values[cells])


def rows_at(table: StayTable, slots: Slots, bins: NDArray[Any]) -> NDArray[np.float32]:
    """Returns the ``(n, V)`` hour rows of stays at one bin each; NaN where not measured."""
    ring = table.layers["ring"]
    rows: NDArray[np.float32] = ring.value[ring.rows_at(slots, bins % RING)]
    return rows


def clear_rows(table: StayTable, slots: Slots, bins: NDArray[Any]) -> None:
    """Empties the rows of the ring that bins use which open now."""
    for layer in table.layers.values():
        layer.clear(slots, bins % RING)


def open_after_silence(table: StayTable, slots: Slots, bins: NDArray[Any]) -> None:
    """Opens bins more than a ring after the open ones of stays: nothing is left in their rings."""
    for layer in table.layers.values():
        layer.clear(slots)
    table["anchor_bin"][slots] = bins - RING
    table["open_bin"][slots] = bins


def cells_of(table: StayTable, slot: int) -> Cells:
    """Returns what the ring of one stay holds, withdrawn moments included."""
    open_bin = int(table["open_bin"][slot])
    parts = []
    for layer in table.layers.values():
        _, places, at = layer.measured(np.array([slot]))
        hours, variables = np.divmod(places, len(table.variables))
        bins = open_bin - (open_bin - hours) % RING
        offset_ms, rank = layer.offset_ms[at], layer.rank[at]
        value = np.where(rank & 1, layer.value[at], np.nan)
        time_ms = table["origin_ms"][slot] + bins * HOUR_MS + offset_ms
        parts.append((time_ms, variables.astype(np.int16), value.astype(np.float32), rank))
    return Cells(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
