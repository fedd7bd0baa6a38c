"""The header of a stored stay: its format, the model that stepped it, the sizes of its parts."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple
from zlib import crc32

from streamer.core import stored_formats, stored_variables
from streamer.core.model import ID_DIGITS
from streamer.core.stored_formats import OLDEST, WITH_OWN
from streamer.core.variables import BUILT_IN, VariableTable

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
MISSING: Final = {
    version: frozenset(
        name for since, names in _FIELDS_SINCE.items() if since > version for name in names
    )
    for version in range(OLDEST, VERSION + 1)
}
START: Final = struct.Struct("<4sHI")  # magic, version, crc
# Model, swaps, cells, cells below them, ranks, bytes of ward, bed, label, who paused, last alert,
# variables beyond the 34; formats before have no more than some. The first digits of the model's id
# will do: the number of swaps tells the eras of a partition apart, and the partition's own record
# in the store names the model by its whole id.
SIZES: Final = {
    2: struct.Struct("<12sI3H"),  # model, swaps, cells, bytes of ward and bed
    3: struct.Struct("<12sI5H"),
    4: struct.Struct("<12sI8H"),
    5: struct.Struct("<12sI9H"),
}
TEXTS: Final = {3: 2, 4: 5, 5: 6}
"""How many of the texts a format has."""


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


class Sizes(NamedTuple):
    """The sizes of a stored stay, as its header has them."""

    version: int
    era: Era
    header: int
    cells: list[int]
    ranks: int
    texts: list[int]


def format_of(content: bytes) -> int:
    """Returns the format of a stored stay."""
    version: int = START.unpack_from(content)[1]
    return version


def model_of(content: bytes) -> str:
    """Returns the first digits of the id of the model that stepped a stored stay.

    Raises:
        CorruptState: the bytes are not a stored stay.
    """
    return sizes_of(content, "?").era.model_id


def variables_of(content: bytes) -> VariableTable:
    """Returns the variables of a stored stay: names, units and reference ranges of its own ones.

    Raises:
        CorruptState: the bytes are not a stored stay.
    """
    return variables_behind(content, sizes_of(content, "?"), "?")


def variables_behind(content: bytes, sizes: Sizes, patient: str) -> VariableTable:
    """The same, of a stored stay whose header is read."""
    if sizes.version < WITH_OWN:
        return BUILT_IN
    try:
        return stored_variables.read(content[len(content) - sizes.texts[-1] :])
    except ValueError as error:
        raise CorruptState(patient, str(error)) from error


def sizes_of(content: bytes, patient: str) -> Sizes:
    """Returns era and sizes of a stored stay after checking its checksum.

    Raises:
        CorruptState: the bytes are not a stored stay, or of a later format.
    """
    shortest = START.size + SIZES[OLDEST].size
    if len(content) < shortest or content[:4] != MAGIC:
        raise CorruptState(patient, "not a Vigil state record (bad magic)", is_damage=True)
    _, version, checksum = START.unpack_from(content)
    form = SIZES.get(version)
    if form is None:
        raise CorruptState(patient, f"format {version}, this program reads {OLDEST} to {VERSION}")
    header = START.size + form.size
    if len(content) < header or crc32(memoryview(content)[START.size :]) != checksum:
        raise CorruptState(patient, "checksum differs", is_damage=True)
    model, swaps, *counts = form.unpack_from(content, START.size)
    era = Era(text_of(model.rstrip(b"\0"), patient), swaps)
    if version == OLDEST:
        n_cells, *texts = counts
        return Sizes(version, era, header, [n_cells, 0], 0, texts)
    n_cells, n_under, n_ranks, *texts = counts
    return Sizes(version, era, header, [n_cells, n_under], n_ranks, texts)


def shown(era: Era) -> Era:
    """An era as stored stays name it."""
    return era._replace(model_id=era.model_id[:ID_DIGITS])


def text_of(content: bytes, patient: str) -> str:
    """Reads a text of a stored stay.

    Raises:
        CorruptState: it is not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise CorruptState(patient, "a name is not valid UTF-8") from error
