"""Decompression: as kafka-python's, and never more than the bound."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import codec as theirs
from kafka.errors import UnsupportedCodecError

from streamer.adapters.kafka.codecs import MOST_BYTES, UnpacksTooLarge, unpack

PACK = {1: theirs.gzip_encode, 2: theirs.snappy_encode, 3: theirs.lz4_encode, 4: theirs.zstd_encode}
UNPACK = {
    1: theirs.gzip_decode,
    2: theirs.snappy_decode,
    3: theirs.lz4_decode,
    4: theirs.zstd_decode,
}
CODECS = st.sampled_from(list(PACK))


@given(CODECS, st.binary(min_size=1, max_size=200) | st.builds(bytes, st.integers(1, 100_000)))
@settings(deadline=None)
def test_decompressed_data_equals_the_original(codec: int, content: bytes) -> None:
    packed = PACK[codec](content)
    assert unpack(codec, packed) == content
    assert unpack(codec, packed, len(content)) == content
    with pytest.raises(UnpacksTooLarge):
        unpack(codec, packed, len(content) - 1)


@given(CODECS, st.binary(max_size=300), st.data())
@settings(deadline=None, max_examples=500)
def test_broken_data_raises_the_errors_of_kafka_python(
    codec: int, content: bytes, data: st.DataObject
) -> None:
    packed = bytearray(PACK[codec](content))
    for _ in range(data.draw(st.integers(0, 2))):
        if packed:
            at = data.draw(st.integers(0, len(packed) - 1))
            packed[at : at + 1] = data.draw(st.binary(max_size=3))
    try:
        expected = UNPACK[codec](bytes(packed))
    except Exception as error:
        # A length that is a lie is refused before anything is made of it.
        with pytest.raises((type(error), UnpacksTooLarge)):
            unpack(codec, bytes(packed))
    else:
        assert unpack(codec, bytes(packed)) == expected


@pytest.mark.parametrize("codec", PACK)
def test_a_decompression_bomb_is_refused_in_little_memory(codec: int) -> None:
    packed = PACK[codec](bytes(2 * MOST_BYTES))
    tracemalloc.start()
    try:
        with pytest.raises(UnpacksTooLarge, match=f"more than {MOST_BYTES} bytes"):
            unpack(codec, packed)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2.5 * MOST_BYTES


def test_gzip_that_lies_about_its_size_is_found_out_and_who_tells_costs_no_work() -> None:
    packed = bytearray(theirs.gzip_encode(bytes(4_000_000)))
    packed[-4:] = (1).to_bytes(4, "little")
    with pytest.raises(UnpacksTooLarge):
        unpack(1, bytes(packed), 2_000_000)
    with pytest.raises(UnpacksTooLarge):
        unpack(1, b"no gzip at all, but it says that it is large: \xff\xff\xff\x7f")


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_an_unknown_codec_is_refused(codec: int) -> None:
    with pytest.raises(UnsupportedCodecError):
        unpack(codec, b"")
