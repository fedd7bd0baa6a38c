"""The measured hours of all stays, compactly: memory is taken by the hours that have something.

A layer of the ring knows, for each of ``slots x RING`` hours, at most one moment of each variable.
Vital signs come every hour and laboratory values seldom, so an hour has a row of each kind, and no
row where nothing of that kind was measured. Rows lie one behind the other in flat arrays; all hours
without a row share one that is empty and never written.

A *cell* is the number of a slot, hour and variable; an *address* is where its row has it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import IS_LAB, N_VARIABLES

LATE_BINS: Final = 48
"""A closed bin this many hours behind the open one can still be changed exactly."""
RING: Final = LATE_BINS + 1
NOT_MEASURED: Final = -1
ELEMENTS: Final = {"value": ("<f4", np.nan), "offset_ms": ("<i4", NOT_MEASURED), "rank": ("<u2", 0)}
"""What is known of a moment: element type, and what stands for nothing."""

_KIND_OF: Final = IS_LAB.astype(np.intp)  # of a variable; those of a kind are neighbours
_KINDS: Final = 2
_FIRST_OF: Final = np.searchsorted(_KIND_OF, np.arange(_KINDS))
_VARIABLE_BITS: Final = 6  # 34 variables, and `variables.MOST_OWN`
_VARIABLE: Final = (1 << _VARIABLE_BITS) - 1
_LEAST_GROWTH: Final = 16_384  # cells

Cells = NDArray[np.int64]
Integers = NDArray[Any] | int


def number_cells(slots: Integers, hours: Integers, variables: Integers) -> Cells:
    """Returns the numbers of cells; they rise with slot, hour and variable.

    Args:
        slots: of stays.
        hours: 0 to ``RING - 1``.
        variables: their indices.
    """
    rows = (slots * RING + hours) * _KINDS + _KIND_OF[variables]
    cells: Cells = rows << _VARIABLE_BITS | variables
    return cells


def slots_of(cells: Cells) -> NDArray[np.int64]:
    """Returns the slots that cells are of."""
    slots: NDArray[np.int64] = (cells >> _VARIABLE_BITS) // (RING * _KINDS)
    return slots


class HourLayer:
    """At most one moment of each variable in each hour of each stay.

    Args:
        n_variables: V, as many as the table of variables has.

    Attributes:
        value: by address, NaN where nothing was measured.
        offset_ms: by address, milliseconds since the hour began, or ``NOT_MEASURED``.
        rank: by address, see `timeline`.
    """

    def __init__(self, n_variables: int = N_VARIABLES) -> None:
        self._n_variables = n_variables
        self._all = np.arange(n_variables)
        self._kind_of = _KIND_OF[:n_variables]
        self._width_of = np.bincount(self._kind_of, minlength=_KINDS)
        # By slot, hour and kind: the address that variable 0 would have. Of the empty row it is 0.
        self._starts = np.zeros((0, RING, _KINDS), np.int32)
        self.value: NDArray[np.float32] = np.full(n_variables, np.nan, np.float32)
        self.offset_ms: NDArray[np.int32] = np.full(n_variables, NOT_MEASURED, np.int32)
        self.rank: NDArray[np.uint16] = np.zeros(n_variables, np.uint16)
        self._used = n_variables
        self._free: list[list[int]] = [[] for _ in range(_KINDS)]

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        arrays = (self._starts, self.value, self.offset_ms, self.rank)
        return sum(array.nbytes for array in arrays)

    def add_slots(self, extra: int) -> None:
        """Makes room for more stays, which have no rows."""
        starts = np.zeros((len(self._starts) + extra, RING, _KINDS), np.int32)
        starts[: len(self._starts)] = self._starts
        self._starts = starts

    def addresses(self, cells: Cells) -> NDArray[np.int64]:
        """Returns where cells are read; not where they can be written."""
        starts = self._starts.reshape(-1)[cells >> _VARIABLE_BITS]
        addresses: NDArray[np.int64] = starts + (cells & _VARIABLE)
        return addresses

    def own_addresses(self, cells: Cells) -> NDArray[np.int64]:
        """Returns where cells can be written: hours that lack a row get an empty one."""
        rows = cells >> _VARIABLE_BITS
        starts = self._starts.reshape(-1)
        lacking = rows[starts[rows] == 0]
        if len(lacking):
            lacking = np.unique(lacking)
            kinds = lacking % _KINDS
            for kind in range(_KINDS):
                of_kind = lacking[kinds == kind]
                starts[of_kind] = self._take(kind, len(of_kind))
        addresses: NDArray[np.int64] = starts[rows] + (cells & _VARIABLE)
        return addresses

    def at(self, slots: Integers, hours: Integers, variables: Integers) -> NDArray[np.int64]:
        """Returns where the variables of hours are read; the three are broadcast."""
        addresses: NDArray[np.int64] = self._starts[slots, hours, _KIND_OF[variables]] + variables
        return addresses

    def rows_at(self, slots: Integers, hours: Integers) -> NDArray[np.int64]:
        """Returns ``(..., V)``: where all variables of hours are read."""
        addresses: NDArray[np.int64] = self._starts[slots, hours][..., self._kind_of] + self._all
        return addresses

    def measured(
        self, slots: Integers
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int64]]:
        """Lists the cells of stays that hold a moment, in their order.

        Returns:
            For each cell the index of its stay in ``slots``, its place in a stay (hour times V
            plus variable), and its address.
        """
        owner, hour, kind = np.nonzero(self._starts[slots])
        width = self._width_of[kind]
        ends = np.cumsum(width)
        variable = np.arange(ends[-1] if len(ends) else 0) - np.repeat(
            ends - width - _FIRST_OF[kind], width
        )
        start = self._starts[np.asarray(slots)[owner], hour, kind]
        address = np.repeat(start, width) + variable
        kept = np.flatnonzero(self.offset_ms[address] != NOT_MEASURED)
        place = np.repeat(hour * self._n_variables, width)[kept] + variable[kept]
        return np.repeat(owner, width)[kept], place, address[kept]

    def write_places(
        self, slots: Integers, places: NDArray[Any], columns: dict[str, NDArray[Any]]
    ) -> None:
        """Writes cells of stays.

        Args:
            slots: of the one stay, or of the stay of each cell.
            places: hour times V plus variable, each once in a stay.
            columns: values by the names of ``ELEMENTS``.
        """
        hours, variables = np.divmod(places.astype(np.int64), self._n_variables)
        at = self.own_addresses(number_cells(slots, hours, variables))
        for name, column in columns.items():
            getattr(self, name)[at] = column

    def copy(
        self,
        slots: NDArray[np.intp],
        source: HourLayer,
        old: NDArray[np.intp],
        moved_to: NDArray[np.intp],
    ) -> None:
        """Takes over what another layer holds of stays.

        Args:
            slots: hold nothing yet.
            source: the other layer.
            old: the slots there.
            moved_to: the variable here of each variable there, -1: none.
        """
        owner, places, at = source.measured(old)
        hours, variables = np.divmod(places, len(moved_to))
        here = moved_to[variables]
        kept = np.flatnonzero(here >= 0)
        columns = {name: getattr(source, name)[at[kept]] for name in ELEMENTS}
        self.write_places(slots[owner[kept]], hours[kept] * self._n_variables + here[kept], columns)

    def clear(self, slots: Integers, hours: Integers | None = None) -> None:
        """Empties hours of stays, one each; without ``hours`` all of them. Their rows are free."""
        chosen = (slots,) if hours is None else (slots, hours)
        starts = self._starts[chosen].reshape(-1, _KINDS)
        if not starts.any():
            return
        for kind in range(_KINDS):
            taken = starts[:, kind]
            # An hour may be named twice.
            self._free[kind] += np.unique(taken[taken > 0]).tolist()
        self._starts[chosen] = 0

    def dense(self, name: str, slots: Integers) -> NDArray[Any]:
        """Returns ``(slots, RING, V)`` of one element, a copy."""
        at = self._starts[slots][..., self._kind_of] + self._all
        dense: NDArray[Any] = getattr(self, name)[at]
        return dense

    def _take(self, kind: int, n: int) -> NDArray[np.int64]:
        """Returns the starts of ``n`` empty rows."""
        free = self._free[kind]
        again = free[max(0, len(free) - n) :]
        del free[len(free) - len(again) :]
        first, width = int(_FIRST_OF[kind]), int(self._width_of[kind])
        fresh = n - len(again)
        starts = np.array(again, np.int64)
        if fresh:
            self._reserve(fresh * width)
            begins = self._used + width * np.arange(fresh) - first
            starts = np.concatenate([starts, begins])
            self._used += fresh * width
        cells = (starts[:, None] + np.arange(first, first + width)).reshape(-1)
        for name, (_, nothing) in ELEMENTS.items():
            getattr(self, name)[cells] = nothing
        return starts

    def _reserve(self, n: int) -> None:
        size = len(self.value)
        if self._used + n <= size:
            return
        larger = self._used + max(n, size // 2, _LEAST_GROWTH)
        for name, (dtype, _) in ELEMENTS.items():
            # Untouched pages take no memory.
            grown = np.zeros(larger, dtype)
            grown[: self._used] = getattr(self, name)[: self._used]
            setattr(self, name, grown)
