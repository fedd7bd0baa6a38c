from __future__ import annotations

import struct
from zlib import crc32

import pytest

from streamer.core import stored_header, stored_variables
from streamer.core.own_variables import read_own
from streamer.core.stored_formats import WITH_OWN, WITHOUT_OWN
from streamer.core.stored_header import MAGIC, SIZES, START, CorruptState, Era
from streamer.core.variables import BUILT_IN, VariableTable
from tests.support.task_files import NEW_VARIABLES


def stored(version: int, *counts: int, body: bytes = b"") -> bytes:
    checked = SIZES[version].pack(b"3fa9c1d20b77", 4, *counts) + body
    return START.pack(MAGIC, version, crc32(checked)) + checked


def test_a_header_says_who_stepped_the_stay_and_how_large_its_parts_are() -> None:
    content = stored(WITHOUT_OWN, 3, 2, 1, 7, 0, 0, 0, 9)
    sizes = stored_header.sizes_of(content, "p")
    assert sizes.era == Era("3fa9c1d20b77", 4)
    assert (sizes.cells, sizes.ranks, sizes.texts) == ([3, 2], 1, [7, 0, 0, 0, 9])
    assert stored_header.model_of(content) == "3fa9c1d20b77"
    assert stored_header.format_of(content) == WITHOUT_OWN
    assert stored_header.variables_of(content) == BUILT_IN


def test_the_last_text_names_the_variables_beyond_the_34() -> None:
    table = VariableTable(read_own(NEW_VARIABLES))
    text = stored_variables.write(table)
    content = stored(WITH_OWN, 0, 0, 0, 0, 0, 0, 0, 0, len(text), body=text)
    assert stored_header.variables_of(content).key == table.key
    wrong = stored(WITH_OWN, 0, 0, 0, 0, 0, 0, 0, 0, 4, body=b"four")
    with pytest.raises(CorruptState, match="not listed as they are written"):
        stored_header.variables_of(wrong)


def test_damage_and_later_formats_are_told_apart() -> None:
    content = stored(WITHOUT_OWN, *[0] * 8)
    for bad, is_damage in (
        (b"x" + content[1:], True),
        (content[:-1], True),
        (content[:4] + struct.pack("<H", WITH_OWN + 1) + content[6:], False),
    ):
        with pytest.raises(CorruptState) as caught:
            stored_header.sizes_of(bad, "p")
        assert caught.value.is_damage == is_damage
