"""The stored form of a stay: bytes with a checksum, as the state store keeps them.

The form is a header (magic, version, CRC-32 of all that follows, model id, sizes), the fields of
the stay in the order of `stays.layout`, the measured cells of the hour ring, and ward and bed. The
ring is mostly empty, so its cells are listed: a typical stay takes a third of the dense form.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from streamer.core.model import ID_DIGITS
from streamer.core.stays import NOT_MEASURED, RING, WEIGHT_FIELDS, Slots, StayTable
from streamer.core.variables import N_VARIABLES

MAGIC: Final = b"VGLS"
VERSION: Final = 2
_START: Final = struct.Struct("<4sHI")  # magic, version, crc
# Model, swaps, cells, bytes of the ward, bytes of the bed. The first digits of the model's id will
# do: the number of swaps tells the eras of a partition apart, and the partition's own record in the
# store names the model by its whole id.
_SIZES: Final = struct.Struct("<12sI3H")
_HEADER_BYTES: Final = _START.size + _SIZES.size
_RING_FIELDS: Final = ("ring_value", "ring_offset_ms")
_CELL: Final = np.dtype([("place", "<u2"), ("offset_ms", "<i4"), ("value", "<f4")])


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
    """Returns the stored form of each of ``slots``."""
    if not len(slots):
        return []
    fixed = np.concatenate(
        [
            np.ascontiguousarray(table[name][slots]).reshape(len(slots), -1).view(np.uint8)
            for name in table.fields
            if name not in _RING_FIELDS
        ],
        axis=1,
    )
    offsets = table["ring_offset_ms"][slots].reshape(len(slots), RING * N_VARIABLES)
    values = table["ring_value"][slots].reshape(len(slots), RING * N_VARIABLES)
    owner, cell = np.nonzero(offsets != NOT_MEASURED)
    cells = np.empty(len(owner), _CELL)
    cells["place"], cells["offset_ms"] = cell, offsets[owner, cell]
    cells["value"] = values[owner, cell]
    ends = np.searchsorted(owner, np.arange(len(slots) + 1)).tolist()
    cell_bytes, model = cells.tobytes(), _shown(era).model_id.encode()
    stored = []
    for i, slot in enumerate(slots.tolist()):
        ward, bed = (name.encode() for name in table.locations[slot])
        listed = cell_bytes[ends[i] * _CELL.itemsize : ends[i + 1] * _CELL.itemsize]
        sizes = _SIZES.pack(model, era.swaps, ends[i + 1] - ends[i], len(ward), len(bed))
        checked = b"".join((sizes, fixed[i].tobytes(), listed, ward, bed))
        stored.append(_START.pack(MAGIC, VERSION, crc32(checked)) + checked)
    return stored


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
        for name, size in layout.sizes.items():
            if stay.is_foreign and name in WEIGHT_FIELDS:
                continue
            field = table.fields[name]
            table[name][slot] = np.frombuffer(stay.fields[at : at + size], field.dtype).reshape(
                field.shape
            )
            at += size
        if stay.is_foreign:
            foreign.append(patient)
        cell = stay.cells["place"].astype(np.intp)
        table["ring_value"][slot].reshape(-1)[cell] = stay.cells["value"]
        table["ring_offset_ms"][slot].reshape(-1)[cell] = stay.cells["offset_ms"]
        table.locations[slot] = (stay.ward, stay.bed)
        table.touched[slot] = False
    return foreign


def last_seen_days(table: StayTable, stored: Mapping[str, bytes], era: Era) -> dict[str, int]:
    """Returns the day of the log of each stay's last event, without adding the stays.

    Args:
        table: the table that the stays would be added to.
        stored: their stored form, by patient.
        era: what the table is stepped by.

    Raises:
        CorruptState: ``decode`` would refuse one of them.
    """
    layout = _Layout(table)
    days = {}
    for patient, content in stored.items():
        (day,) = struct.unpack_from("<i", layout.read(patient, content, era).fields)  # the first
        days[patient] = int(day)
    return days


def model_of(content: bytes) -> str:
    """Returns the first digits of the id of the model that stepped a stored stay.

    Raises:
        CorruptState: the bytes are not a stored stay.
    """
    return _sizes(content, "?")[0].model_id


class _Stored(NamedTuple):
    """A stored stay, checked and cut into its parts."""

    is_foreign: bool
    fields: bytes
    cells: NDArray[np.void]
    ward: str
    bed: str


class _Layout:
    """The layout of a table's stored stays: the bytes of each field outside of the ring."""

    def __init__(self, table: StayTable) -> None:
        self.sizes = {
            name: int(np.dtype(field.dtype).itemsize * np.prod(field.shape, dtype=int))
            for name, field in table.fields.items()
            if name not in _RING_FIELDS
        }
        self._of_weights = sum(self.sizes[name] for name in WEIGHT_FIELDS)
        self._of_others = sum(self.sizes.values()) - self._of_weights

    def read(self, patient: str, content: bytes, era: Era | None) -> _Stored:
        """Checks everything, so that an evicted stay can be loaded later."""
        stepped_by, n_cells, n_ward, n_bed = _sizes(content, patient)
        is_foreign = era is not None and stepped_by != _shown(era)
        body = content[_HEADER_BYTES:]
        listed = n_cells * _CELL.itemsize + n_ward + n_bed
        fixed = len(body) - listed
        if fixed < self._of_others or not (
            is_foreign or fixed == self._of_others + self._of_weights
        ):
            expected = self._of_others + self._of_weights + listed
            raise CorruptState(patient, f"{len(body)} bytes where this layout has {expected}")
        cells = np.frombuffer(body, _CELL, n_cells, fixed)
        if n_cells and int(cells["place"].max()) >= RING * N_VARIABLES:
            raise CorruptState(patient, "a cell is outside of the ring")
        bed_at = len(body) - n_bed
        ward, bed = _text(body[bed_at - n_ward : bed_at], patient), _text(body[bed_at:], patient)
        return _Stored(is_foreign, body[:fixed], cells, ward, bed)


def _sizes(content: bytes, patient: str) -> tuple[Era, int, int, int]:
    """Returns era and sizes of a stored stay after checking its checksum."""
    if len(content) < _HEADER_BYTES or content[:4] != MAGIC:
        raise CorruptState(patient, "not a Vigil state record (bad magic)", is_damage=True)
    _, version, checksum = _START.unpack_from(content)
    if version != VERSION:
        raise CorruptState(patient, f"format {version}, this program reads {VERSION}")
    if crc32(memoryview(content)[_START.size :]) != checksum:
        raise CorruptState(patient, "checksum differs", is_damage=True)
    model, swaps, n_cells, n_ward, n_bed = _SIZES.unpack_from(content, _START.size)
    return Era(_text(model.rstrip(b"\0"), patient), swaps), n_cells, n_ward, n_bed


def _shown(era: Era) -> Era:
    return era._replace(model_id=era.model_id[:ID_DIGITS])


def _text(content: bytes, patient: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise CorruptState(patient, "a name is not valid UTF-8") from error
