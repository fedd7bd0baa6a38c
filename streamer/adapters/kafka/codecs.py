"""Decompresses record batches within a bound on their size.

A few hundred kilobytes of gzip can become a gigabyte, and everybody who may write to a topic may
send them. Within the bound the result is the same as kafka-python's, and broken data raises the
same errors.
"""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Callable
from typing import Final, Protocol

import lz4.frame
import zstandard
from kafka.codec import snappy_decode
from kafka.errors import UnsupportedCodecError
from kafka.record.util import decode_varint

MOST_BYTES: Final = 64 * 1024 * 1024
"""Largest size of a decompressed batch: 64 times the largest batch that brokers take by default."""
_READ_BYTES: Final = 1024 * 1024
_LZ4_RATIO: Final = 255  # no block of LZ4 grows more than this
_XERIAL: Final = b"\x82SNAPPY\0"  # snappy in blocks, as Java writes it: a header of 16 bytes
_XERIAL_BYTES: Final = 16
_SIZE_BYTES: Final = 4  # at the end of gzip


class UnpacksTooLarge(ValueError):
    """A batch would become larger than the bound."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"more than {most_bytes} bytes when it is decompressed")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def unpack(codec: int, packed: bytes, most_bytes: int = MOST_BYTES) -> bytes:
    """Decompresses the records of a batch.

    Args:
        codec: the number in the batch's attributes, 1 to 7.
        packed: the bytes after the batch's header.
        most_bytes: bound of the decompressed size.

    Raises:
        UnpacksTooLarge: the result would be larger.
        UnsupportedCodecError: the codec is unknown.
        Exception: the data is broken; each library has errors of its own.
    """
    if codec not in _CODECS:
        raise UnsupportedCodecError(f"Unrecognized compression type: {codec}")
    return _CODECS[codec](packed, most_bytes)


def _gzip(packed: bytes, most_bytes: int) -> bytes:
    # The last four bytes say the size. Who says too much is refused without the work; who says too
    # little is found out.
    if int.from_bytes(packed[-_SIZE_BYTES:], "little") > most_bytes:
        raise UnpacksTooLarge(most_bytes)
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as reader:
        return _read(reader, most_bytes)


def _zstd(packed: bytes, most_bytes: int) -> bytes:
    source = io.BytesIO(packed)
    with zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True) as reader:
        return _read(reader, most_bytes)


def _read(reader: _Readable, most_bytes: int) -> bytes:
    parts, size = [], 0
    while part := reader.read(_READ_BYTES):
        size += len(part)
        if size > most_bytes:
            raise UnpacksTooLarge(most_bytes)
        parts.append(part)
    return b"".join(parts)


def _lz4(packed: bytes, most_bytes: int) -> bytes:
    decompressor = lz4.frame.LZ4FrameDecompressor()
    room = min(most_bytes, _LZ4_RATIO * len(packed)) + 1
    unpacked: bytes = decompressor.decompress(packed, max_length=room)
    if len(unpacked) > most_bytes:
        raise UnpacksTooLarge(most_bytes)
    if not decompressor.eof:
        raise RuntimeError("the LZ4 frame is incomplete")
    return unpacked


def _snappy(packed: bytes, most_bytes: int) -> bytes:
    if _snappy_bytes(packed, most_bytes) > most_bytes:
        raise UnpacksTooLarge(most_bytes)
    unpacked: bytes = snappy_decode(packed)
    return unpacked


def _snappy_bytes(packed: bytes, most_bytes: int) -> int:
    """The size that the blocks announce; broken blocks are detected when they are read."""
    if len(packed) <= _XERIAL_BYTES or not packed.startswith(_XERIAL):
        return _block_bytes(packed, 0)
    size, at = 0, _XERIAL_BYTES
    while at + 4 < len(packed) and size <= most_bytes:
        (block,) = struct.unpack_from(">i", packed, at)
        size += _block_bytes(packed, at + 4)
        if block <= 0:
            break
        at += 4 + block
    return size


def _block_bytes(packed: bytes, at: int) -> int:
    try:
        zigzag, _ = decode_varint(packed, at)
    except (IndexError, ValueError):
        return 0
    # The same bits without a sign.
    return int(zigzag * 2 if zigzag >= 0 else -zigzag * 2 - 1)


_CODECS: Final[dict[int, Callable[[bytes, int], bytes]]] = {
    1: _gzip,
    2: _snappy,
    3: _lz4,
    4: _zstd,
}
