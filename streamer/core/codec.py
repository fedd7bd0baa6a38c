"""The stored form of a stay: bytes with a checksum, as the state store keeps them.

The form is a header (magic, version, CRC-32 of all that follows, model id, sizes), the fields of
the stay in the order of `stays.layout`, the measured cells of the hour ring, and texts such as ward
and bed. The ring is mostly empty, so its cells are listed: a typical stay takes a third of the
dense form. A stay with variables beyond the 34 names them in its last text, so that whatever table
it is read into takes each value by name (`stored_variables`, `moved_stays`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from streamer.core import stored_formats, stored_variables
from streamer.core.events import ANTIBIOTIC
from streamer.core.hour_ring import RING, HourLayer
from streamer.core.lstm_network import Architecture
from streamer.core.moved_stays import copy_stays
from streamer.core.stays import RING_FIELDS, WEIGHT_FIELDS, Notes, Slots, StayTable, layout
from streamer.core.stored_formats import WITH_OWN
from streamer.core.stored_header import (
    MAGIC,
    MISSING,
    SIZES,
    START,
    TEXTS,
    VERSION,
    CorruptState,
    Era,
    Sizes,
    format_of,
    model_of,
    shown,
    sizes_of,
    text_of,
    variables_behind,
    variables_of,
)
from streamer.core.timeline import PLAIN
from streamer.core.variables import VariableTable

__all__ = [
    "VERSION",
    "CorruptState",
    "Era",
    "Outline",
    "decode",
    "encode",
    "format_of",
    "model_of",
    "outlines",
    "variables_of",
]

_CELL: Final = np.dtype([("place", "<u2"), ("offset_ms", "<i4"), ("value", "<f4")])
_RANK: Final = np.dtype([("cell", "<u2"), ("rank", "<u2")])
"""The rank of a listed cell, by its number in the list, where it is not that of a plain value."""


def encode(table: StayTable, slots: Slots, era: Era) -> list[bytes]:
    """Returns the stored form of each of ``slots``, in the table's ``written_format``.

    A format before the newest has no room for what came since: whoever loads such a stay begins
    without it.
    """
    if not len(slots):
        return []
    version = table.written_format or VERSION
    if not table.variables.own and version == WITH_OWN:
        version = stored_formats.WITHOUT_OWN
    elif version < WITH_OWN and table.variables.own:
        table, slots = _without_own(table, slots)
    missing = MISSING[version]
    fixed = np.concatenate(
        [
            np.ascontiguousarray(table[name][slots]).reshape(len(slots), -1).view(np.uint8)
            for name in table.fields
            if name not in RING_FIELDS and name not in missing
        ],
        axis=1,
    )
    layers = [_list_cells(layer, slots) for layer in table.layers.values()]
    model = shown(era).model_id.encode()
    own = stored_variables.write(table.variables)
    stored = []
    for i, slot in enumerate(slots.tolist()):
        ward, bed = (name.encode() for name in table.locations[slot])
        notes = table.notes[slot]
        every = (ward, bed, notes.label.encode(), notes.pause_by, notes.alert, own)
        texts = every[: TEXTS[version]]
        cells = [layer.of(i) for layer in layers]
        ranks = np.concatenate([layer.rank[layer.range_of(i)] for layer in layers])
        special = np.flatnonzero(ranks != PLAIN)
        listed_ranks = np.empty(len(special), _RANK)
        listed_ranks["cell"], listed_ranks["rank"] = special, ranks[special]
        sizes = SIZES[version].pack(
            model, era.swaps, *map(len, cells), len(special), *map(len, texts)
        )
        checked = b"".join(
            (
                sizes,
                fixed[i].tobytes(),
                *(c.tobytes() for c in cells),
                listed_ranks.tobytes(),
                *texts,
            )
        )
        stored.append(START.pack(MAGIC, version, crc32(checked)) + checked)
    return stored


def _without_own(table: StayTable, slots: Slots) -> tuple[StayTable, Slots]:
    """The stays in a table of the 34 alone."""
    plain = StayTable(table.architecture, len(slots), written_format=table.written_format)
    copied = plain.add_many([str(slot) for slot in slots.tolist()], 0)
    copy_stays(table, slots, plain, copied, table.fields)
    return plain, copied


@dataclass(frozen=True, slots=True)
class _Layer:
    """The listed cells of one layer of the ring of several stays; ``ends`` cuts them by stay."""

    cells: NDArray[np.void]
    rank: NDArray[np.uint16]
    ends: list[int]

    def range_of(self, stay: int) -> slice:
        return slice(self.ends[stay], self.ends[stay + 1])

    def of(self, stay: int) -> NDArray[np.void]:
        return self.cells[self.range_of(stay)]


def _list_cells(layer: HourLayer, slots: Slots) -> _Layer:
    owner, place, at = layer.measured(slots)
    cells = np.empty(len(owner), _CELL)
    cells["place"], cells["offset_ms"], cells["value"] = place, layer.offset_ms[at], layer.value[at]
    return _Layer(cells, layer.rank[at], np.searchsorted(owner, np.arange(len(slots) + 1)).tolist())


def decode(
    table: StayTable, partition: int, stored: Mapping[str, bytes], era: Era | None = None
) -> list[str]:
    """Adds the stays of ``stored`` (by patient) to a table.

    Args:
        table: of the era's architecture.
        partition: the input partition of all of them.
        stored: their stored form; stays of other eras may have been stepped by a network of
            another size.
        era: what the table is stepped by; ``None`` takes every stay as of this era.

    Returns:
        The patients whose stay is of another era: they have no recurrent state, and need
        ``state_stepping.rewarm``.

    Raises:
        CorruptState: bytes that are cut, changed, or of another layout; the table then holds the
            stays before it.
    """
    others: dict[VariableTable, StayTable] = {}
    foreign = []
    for patient, content in stored.items():
        stay = _read(table, patient, content, era)
        slot = table.add(patient, partition)
        if stay.variables.key == table.variables.key:
            _fill(table, slot, stay)
        else:
            other = others.get(stay.variables) or others.setdefault(
                stay.variables, StayTable(table.architecture, 1, variables=stay.variables)
            )
            before = other.add(patient, partition)
            _fill(other, before, stay)
            copy_stays(other, np.array([before]), table, np.array([slot]), table.fields)
            other.remove(patient)
        if stay.is_foreign:
            foreign.append(patient)
        table.touched[slot] = False
    return foreign


def _fill(table: StayTable, slot: int, stay: _Stored) -> None:
    """Puts a stored stay into a new slot of a table of its variables."""
    at = 0
    missing = MISSING[stay.version]
    for name, size in _layout_of(table.architecture, stay.variables).sizes.items():
        if (stay.is_foreign and name in WEIGHT_FIELDS) or name in missing:
            continue
        field = table.fields[name]
        table[name][slot] = np.frombuffer(stay.fields[at : at + size], field.dtype).reshape(
            field.shape
        )
        at += size
    ranks = np.full(sum(map(len, stay.layers)), PLAIN, np.uint16)
    ranks[stay.ranks["cell"]] = stay.ranks["rank"]
    first = 0
    for layer, cells in zip(table.layers.values(), stay.layers, strict=True):
        columns = {"value": cells["value"], "offset_ms": cells["offset_ms"]}
        columns["rank"] = ranks[first : first + len(cells)]
        layer.write_places(slot, cells["place"], columns)
        first += len(cells)
    table.locations[slot] = (stay.ward, stay.bed)
    table.notes[slot] = stay.notes
    if "revision" in missing:
        _begin_response(table, slot)


class Outline(NamedTuple):
    """What must be known of a stay that is not in memory."""

    last_seen_day: int
    has_alert: bool


def outlines(table: StayTable, stored: Mapping[str, bytes], era: Era) -> dict[str, Outline]:
    """Returns the outline of each stay, without adding the stays.

    Args:
        table: the table that the stays would be added to.
        stored: their stored form, by patient.
        era: what the table is stepped by.

    Raises:
        CorruptState: ``decode`` would refuse one of them.
    """
    read = {}
    for patient, content in stored.items():
        stay = _read(table, patient, content, era)
        (day,) = struct.unpack_from("<i", stay.fields)  # the first
        layout = _layout_of(table.architecture, stay.variables)
        severity = stay.fields[layout.position_of("alert_severity", stay.version)]
        read[patient] = Outline(int(day), severity > 0)
    return read


class _Stored(NamedTuple):
    """A stored stay, checked and cut into its parts."""

    version: int
    variables: VariableTable
    is_foreign: bool
    fields: bytes
    layers: list[NDArray[np.void]]
    ranks: NDArray[np.void]
    ward: str
    bed: str
    notes: Notes


class _Layout:
    """The layout of stored stays: the bytes of each field outside of the ring."""

    def __init__(self, architecture: Architecture, variables: VariableTable) -> None:
        self.variables = variables
        self.sizes = {
            name: int(np.dtype(field.dtype).itemsize * np.prod(field.shape, dtype=int))
            for name, field in layout(architecture, variables).items()
            if name not in RING_FIELDS
        }
        self._of_weights = sum(self.sizes[name] for name in WEIGHT_FIELDS)
        self._of_others = sum(self.sizes.values()) - self._of_weights

    def position_of(self, name: str, version: int) -> int:
        """Where the first byte of a field stands in a stay of any era."""
        before = list(self.sizes)[: list(self.sizes).index(name)]
        missing = MISSING[version]
        return sum(self.sizes[field] for field in before if field not in missing)

    def read(self, patient: str, content: bytes, sizes: Sizes, era: Era | None) -> _Stored:
        """Checks everything, so that an evicted stay can be loaded later."""
        is_foreign = era is not None and sizes.era != shown(era)
        body = content[sizes.header :]
        n_cells = sum(sizes.cells)
        listed = n_cells * _CELL.itemsize + sizes.ranks * _RANK.itemsize + sum(sizes.texts)
        fixed = len(body) - listed
        others = self._of_others - sum(self.sizes[name] for name in MISSING[sizes.version])
        if fixed < others or not (is_foreign or fixed == others + self._of_weights):
            expected = others + self._of_weights + listed
            raise CorruptState(patient, f"{len(body)} bytes where this layout has {expected}")
        layers, at = [], fixed
        for n in sizes.cells:
            layers.append(np.frombuffer(body, _CELL, n, at))
            at += n * _CELL.itemsize
        ranks = np.frombuffer(body, _RANK, sizes.ranks, at)
        size = RING * len(self.variables)
        if any(len(cells) and int(cells["place"].max()) >= size for cells in layers):
            raise CorruptState(patient, "a cell is outside of the ring")
        if len(ranks) and int(ranks["cell"].max()) >= n_cells:
            raise CorruptState(patient, "a rank of no cell")
        ends = np.cumsum([len(body) - sum(sizes.texts), *sizes.texts]).tolist()
        texts = [body[a:b] for a, b in pairwise(ends)]
        for text in texts:
            text_of(text, patient)
        ward, bed, label, pause_by, alert, _ = [*texts, b"", b"", b"", b""][:6]
        notes = Notes(label.decode(), pause_by, alert)
        return _Stored(
            sizes.version,
            self.variables,
            is_foreign,
            body[:fixed],
            layers,
            ranks,
            ward.decode(),
            bed.decode(),
            notes,
        )


@lru_cache(maxsize=64)
def _layout_of(architecture: Architecture, variables: VariableTable) -> _Layout:
    return _Layout(architecture, variables)


def _read(table: StayTable, patient: str, content: bytes, era: Era | None) -> _Stored:
    """Reads a stored stay for a table of whatever variables."""
    sizes = sizes_of(content, patient)
    variables = variables_behind(content, sizes, patient)
    return _layout_of(table.architecture, variables).read(patient, content, sizes, era)


def _begin_response(table: StayTable, slot: int) -> None:
    """Fills in what a stay from before there were responses knows of its alert and its drugs."""
    table["revision"][slot] = table["alert_severity"][slot] > 0
    if table["medication_on"][slot, ANTIBIOTIC]:
        table["antibiotic_since_ms"][slot] = table["medication_ms"][slot, ANTIBIOTIC]
