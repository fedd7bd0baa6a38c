"""Records that no reader can parse, in a real topic: as other clients and bad disks make them."""

from __future__ import annotations

import contextlib
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.record.util import calc_crc32c

from streamer.local import LocalStack
from streamer.service.settings import Settings

MARK: Final = b"<<unreadable>>"
"""Stands in the value of each such record, so that judges know what the sender did."""
BOMB_BYTES: Final = 400_000_000
_GZIP: Final = b"\x1f\x8b\x08"
UNKNOWN_CODEC: Final = 5  # Kafka has 0 to 4
_FRAME: Final = struct.Struct(">qi")  # first offset, bytes that follow
_CHECKED: Final = 21  # where attributes begin, and with them what the checksum covers
_CRC: Final = 17
_DEADLINE_MS: Final = 60_000


class NotUtf8(str):
    """A name that is not UTF-8 on the wire, as clients in other languages may send it."""

    def encode(self, *_: object) -> bytes:
        """The bytes on the wire."""
        return b"\xff"


BAD_HEADERS: Final = ((NotUtf8("name"), b""),)


def marked(patient: str, time_ms: int) -> bytes:
    """An event that would be good if its record could be read."""
    content = {"patient_id": patient, "time": time_ms, "values": {"heart_rate": 80}}
    return json.dumps(content | {"source": MARK.decode()}).encode()


def is_marked(value: bytes) -> bool:
    """Whether it has the mark, as it is or at the beginning of what it unpacks to."""
    begin = value.find(_GZIP)
    if MARK in value or begin < 0:
        return MARK in value
    try:
        return MARK in zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(value[begin:], 1_000)
    except zlib.error:
        return False


def send_bomb(connection: Mapping[str, Any], topic: str, partition: int) -> int:
    """Sends a marked record of 400 MB, which are some 400 KB of gzip on the wire.

    Args:
        connection: how to reach Kafka, for kafka-python.
        topic: that is read.
        partition: of the topic.

    Returns:
        The offset of the record.

    Raises:
        KafkaError: it did not arrive.
    """
    producer = KafkaProducer(**connection, compression_type="gzip", max_request_size=2 * BOMB_BYTES)
    with contextlib.closing(producer):
        sent = producer.send(topic, MARK + bytes(BOMB_BYTES), b"bomb", partition=partition)
        return int(sent.get(_DEADLINE_MS / 1000).offset)


def plant_unknown_codec(
    stack: LocalStack, settings: Settings, partition: int, time_ms: int, name: str
) -> int:
    """Makes a batch of three marked events unreadable on the broker's disk; the broker restarts.

    No broker takes such a batch from a producer. So it is written in a transaction, which readers
    do not see while it is open; the broker is stopped, the number of the codec is changed, and the
    checksum with it; then the transaction is committed.

    Args:
        stack: the Kafka.
        settings: name the topic.
        partition: of the topic.
        time_ms: of events and records.
        name: of the producer's transactions; nobody else may have it.

    Returns:
        The last offset of the batch.

    Raises:
        KafkaError: a broker does not take the transaction.
    """
    producer = KafkaProducer(
        **settings.kafka_connection(), transactional_id=name, linger_ms=1_000, acks="all",
        # If it cannot be committed, its partition waits no longer than this.
        transaction_timeout_ms=30_000,
    )  # fmt: skip
    tp = TopicPartition(settings.topic_vitals, partition)
    with contextlib.closing(producer):
        producer.init_transactions()
        producer.begin_transaction()
        value = marked("of-unknown-codec", time_ms)
        sent = [
            producer.send(tp.topic, value, b"of-unknown-codec", None, partition, time_ms)
            for _ in range(3)
        ]
        producer.flush()
        first, *_, last = (one.get(_DEADLINE_MS / 1000).offset for one in sent)
        stack.kafka_server.stop()
        try:
            _change_codec(stack.kafka_server.folder, tp, first)
        finally:
            stack.kafka_server.start()
        with contextlib.closing(KafkaConsumer(**settings.kafka_connection())) as consumer:
            consumer.end_offsets([tp], _DEADLINE_MS)  # it has a leader again
        producer.commit_transaction()
    return int(last)


def _change_codec(folder: Path, tp: TopicPartition, first_offset: int) -> None:
    for segment in (folder / "data" / f"{tp.topic}-{tp.partition}").glob("*.log"):
        content = bytearray(segment.read_bytes())
        for start, end in _batches(content, first_offset):
            content[start + _CHECKED + 1] = content[start + _CHECKED + 1] & ~7 | UNKNOWN_CODEC
            crc = calc_crc32c(memoryview(content)[start + _CHECKED : end])
            struct.pack_into(">I", content, start + _CRC, crc)
            with segment.open("r+b") as file:
                file.seek(start)
                file.write(content[start:end])
            return
    raise ValueError(f"no batch of {tp} begins at {first_offset}")


def _batches(content: bytes | bytearray, first_offset: int) -> Iterator[tuple[int, int]]:
    """Where the batch begins and ends that has this first offset."""
    at = 0
    while at + _FRAME.size <= len(content):
        offset, n_bytes = _FRAME.unpack_from(content, at)
        end = at + _FRAME.size + n_bytes
        if not n_bytes:
            return
        if offset == first_offset:
            yield at, end
        at = end
