"""The stored form of a stay: bytes with a checksum, as the state store keeps them.

The form is a header (magic, version, CRC-32 of all that follows, model id, sizes), the fields of
the stay in the order of `stays.layout`, the measured cells of the hour ring, and ward and bed. The
ring is mostly empty, so its cells are listed: a typical stay takes a third of the dense form.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from streamer.core import stored_formats
from streamer.core.events import ANTIBIOTIC
from streamer.core.hour_ring import RING, HourLayer
from streamer.core.model import ID_DIGITS
from streamer.core.stays import RING_FIELDS, WEIGHT_FIELDS, Notes, Slots, StayTable
from streamer.core.stored_formats import OLDEST
from streamer.core.timeline import PLAIN
from streamer.core.variables import N_VARIABLES

MAGIC: Final = b"VGLS"
VERSION: Final = stored_formats.NEWEST
_FIELDS_SINCE: Final = {
    3: (
        "left_ms", "discharge_due_ms", "admission_ms", "admission_due_ms", "admissions_seen",
        "location_ms", "evaluated_ms", "corrected", "due_static",
    ),
    4: (
        "revision", "acked", "overdue_revision", "snooze_revision", "acked_ms", "respond_ms",
        "snooze_first_ms", "snooze_until_ms", "pause_until_ms", "pause_reason", "unseen_until_ms",
        "deadline_ms", "action_ids", "notice", "antibiotic_since_ms",
    ),
}  # fmt: skip
"""The fields that came with a format: stays of those before do not have them."""
_MISSING: Final = {
    version: frozenset(
        name for since, names in _FIELDS_SINCE.items() if since > version for name in names
    )
    for version in range(OLDEST, VERSION + 1)
}
_START: Final = struct.Struct("<4sHI")  # magic, version, crc
# Model, swaps, cells, cells below them, ranks, bytes of ward, bed, label, who paused, last alert;
# formats before have no more than some of them. The first digits of the model's id will do: the
# number of swaps tells the eras of a partition apart, and the partition's own record in the store
# names the model by its whole id.
_SIZES: Final = {
    2: struct.Struct("<12sI3H"),  # model, swaps, cells, bytes of ward and bed
    3: struct.Struct("<12sI5H"),
    4: struct.Struct("<12sI8H"),
}
_TEXTS: Final = {3: 2, 4: 5}
"""How many of the texts a format has."""
_CELL: Final = np.dtype([("place", "<u2"), ("offset_ms", "<i4"), ("value", "<f4")])
_RANK: Final = np.dtype([("cell", "<u2"), ("rank", "<u2")])
"""The rank of a listed cell, by its number in the list, where it is not that of a plain value."""


class CorruptState(ValueError):
    """Stored bytes that are not a stay of this layout; the message names no patient.

    Args:
        patient: whose state it is.
        says: what is wrong with it.
        is_damage: whether bytes have changed, rather than that another version wrote them.
    """

    def __init__(self, patient: str, says: str, *, is_damage: bool = False) -> None:
        super().__init__(f"state of a patient: {says}")
        self.patient = patient
        self.is_damage = is_damage


class Era(NamedTuple):
    """The model that stepped a stay, and how many models its partition had before."""

    model_id: str
    swaps: int = 0


def encode(table: StayTable, slots: Slots, era: Era) -> list[bytes]:
    """Returns the stored form of each of ``slots``, in the table's ``written_format``.

    A format before the newest has no room for what came since: whoever loads such a stay begins
    without it.
    """
    if not len(slots):
        return []
    version = table.written_format or VERSION
    missing = _MISSING[version]
    fixed = np.concatenate(
        [
            np.ascontiguousarray(table[name][slots]).reshape(len(slots), -1).view(np.uint8)
            for name in table.fields
            if name not in RING_FIELDS and name not in missing
        ],
        axis=1,
    )
    layers = [_list_cells(layer, slots) for layer in table.layers.values()]
    model = _shown(era).model_id.encode()
    stored = []
    for i, slot in enumerate(slots.tolist()):
        ward, bed = (name.encode() for name in table.locations[slot])
        notes = table.notes[slot]
        texts = (ward, bed, notes.label.encode(), notes.pause_by, notes.alert)[: _TEXTS[version]]
        cells = [layer.of(i) for layer in layers]
        ranks = np.concatenate([layer.rank[layer.range_of(i)] for layer in layers])
        special = np.flatnonzero(ranks != PLAIN)
        listed_ranks = np.empty(len(special), _RANK)
        listed_ranks["cell"], listed_ranks["rank"] = special, ranks[special]
        sizes = _SIZES[version].pack(
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
        stored.append(_START.pack(MAGIC, version, crc32(checked)) + checked)
    return stored


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
    layout = _Layout(table)
    foreign = []
    for patient, content in stored.items():
        stay = layout.read(patient, content, era)
        slot = table.add(patient, partition)
        at = 0
        missing = _MISSING[stay.version]
        for name, size in layout.sizes.items():
            if (stay.is_foreign and name in WEIGHT_FIELDS) or name in missing:
                continue
            field = table.fields[name]
            table[name][slot] = np.frombuffer(stay.fields[at : at + size], field.dtype).reshape(
                field.shape
            )
            at += size
        if stay.is_foreign:
            foreign.append(patient)
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
        table.touched[slot] = False
    return foreign


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
    layout = _Layout(table)
    read = {}
    for patient, content in stored.items():
        stay = layout.read(patient, content, era)
        (day,) = struct.unpack_from("<i", stay.fields)  # the first
        severity = stay.fields[layout.position_of("alert_severity", stay.version)]
        read[patient] = Outline(int(day), severity > 0)
    return read


def model_of(content: bytes) -> str:
    """Returns the first digits of the id of the model that stepped a stored stay.

    Raises:
        CorruptState: the bytes are not a stored stay.
    """
    return _sizes(content, "?").era.model_id


class _Stored(NamedTuple):
    """A stored stay, checked and cut into its parts."""

    version: int
    is_foreign: bool
    fields: bytes
    layers: list[NDArray[np.void]]
    ranks: NDArray[np.void]
    ward: str
    bed: str
    notes: Notes


class _Sizes(NamedTuple):
    """The sizes of a stored stay, as its header has them."""

    version: int
    era: Era
    header: int
    cells: list[int]
    ranks: int
    texts: list[int]


class _Layout:
    """The layout of a table's stored stays: the bytes of each field outside of the ring."""

    def __init__(self, table: StayTable) -> None:
        self.sizes = {
            name: int(np.dtype(field.dtype).itemsize * np.prod(field.shape, dtype=int))
            for name, field in table.fields.items()
            if name not in RING_FIELDS
        }
        self._of_weights = sum(self.sizes[name] for name in WEIGHT_FIELDS)
        self._of_others = sum(self.sizes.values()) - self._of_weights

    def position_of(self, name: str, version: int) -> int:
        """Where the first byte of a field stands in a stay of any era."""
        before = list(self.sizes)[: list(self.sizes).index(name)]
        missing = _MISSING[version]
        return sum(self.sizes[field] for field in before if field not in missing)

    def read(self, patient: str, content: bytes, era: Era | None) -> _Stored:
        """Checks everything, so that an evicted stay can be loaded later."""
        sizes = _sizes(content, patient)
        is_foreign = era is not None and sizes.era != _shown(era)
        body = content[sizes.header :]
        n_cells = sum(sizes.cells)
        listed = n_cells * _CELL.itemsize + sizes.ranks * _RANK.itemsize + sum(sizes.texts)
        fixed = len(body) - listed
        others = self._of_others - sum(self.sizes[name] for name in _MISSING[sizes.version])
        if fixed < others or not (is_foreign or fixed == others + self._of_weights):
            expected = others + self._of_weights + listed
            raise CorruptState(patient, f"{len(body)} bytes where this layout has {expected}")
        layers, at = [], fixed
        for n in sizes.cells:
            layers.append(np.frombuffer(body, _CELL, n, at))
            at += n * _CELL.itemsize
        ranks = np.frombuffer(body, _RANK, sizes.ranks, at)
        if any(len(cells) and int(cells["place"].max()) >= RING * N_VARIABLES for cells in layers):
            raise CorruptState(patient, "a cell is outside of the ring")
        if len(ranks) and int(ranks["cell"].max()) >= n_cells:
            raise CorruptState(patient, "a rank of no cell")
        ends = np.cumsum([len(body) - sum(sizes.texts), *sizes.texts]).tolist()
        texts = [body[a:b] for a, b in pairwise(ends)]
        for text in texts:
            _text(text, patient)
        ward, bed, label, pause_by, alert = [*texts, b"", b"", b""][:5]
        notes = Notes(label.decode(), pause_by, alert)
        return _Stored(
            sizes.version,
            is_foreign,
            body[:fixed],
            layers,
            ranks,
            ward.decode(),
            bed.decode(),
            notes,
        )


def _sizes(content: bytes, patient: str) -> _Sizes:
    """Returns era and sizes of a stored stay after checking its checksum."""
    shortest = _START.size + _SIZES[OLDEST].size
    if len(content) < shortest or content[:4] != MAGIC:
        raise CorruptState(patient, "not a Vigil state record (bad magic)", is_damage=True)
    _, version, checksum = _START.unpack_from(content)
    form = _SIZES.get(version)
    if form is None:
        raise CorruptState(patient, f"format {version}, this program reads {OLDEST} to {VERSION}")
    header = _START.size + form.size
    if len(content) < header or crc32(memoryview(content)[_START.size :]) != checksum:
        raise CorruptState(patient, "checksum differs", is_damage=True)
    model, swaps, *counts = form.unpack_from(content, _START.size)
    era = Era(_text(model.rstrip(b"\0"), patient), swaps)
    if version == OLDEST:
        n_cells, *texts = counts
        return _Sizes(version, era, header, [n_cells, 0], 0, texts)
    n_cells, n_under, n_ranks, *texts = counts
    return _Sizes(version, era, header, [n_cells, n_under], n_ranks, texts)


def _begin_response(table: StayTable, slot: int) -> None:
    """Fills in what a stay from before there were responses knows of its alert and its drugs."""
    table["revision"][slot] = table["alert_severity"][slot] > 0
    if table["medication_on"][slot, ANTIBIOTIC]:
        table["antibiotic_since_ms"][slot] = table["medication_ms"][slot, ANTIBIOTIC]


def _shown(era: Era) -> Era:
    return era._replace(model_id=era.model_id[:ID_DIGITS])


def _text(content: bytes, patient: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise CorruptState(patient, "a name is not valid UTF-8") from error
