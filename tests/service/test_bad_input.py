"""Everything bad that a sender can do, sent to a running service: told, counted, nothing lost."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaProducer

from bench.broken_records import NotUtf8
from streamer.adapters.kafka.codecs import MOST_BYTES
from streamer.local import LocalStack
from tests.support.running_service import ServiceClient, headers, origin, service

NOW_MS = int(time.time() * 1000)


@pytest.fixture(scope="module")
def client(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceClient]:
    """A line to one service that all the bad input of this module goes to."""
    prefix = f"bad-{NOW_MS}-"
    with service(stack, tmp_path_factory.mktemp("service"), prefix) as (_, opened):
        yield opened


def event(**fields: Any) -> bytes:
    """An event of patient `p` as JSON; `...` leaves a field out."""
    content = {"patient_id": "p", "time": NOW_MS, "values": {}, **fields}
    return json.dumps({name: v for name, v in content.items() if v is not ...}).encode()


BAD_EVENTS = {
    "not JSON": (b"heart rate 80", b"p", "not_json"),
    "cut JSON": (b'{"patient_id":"p",', b"p", "not_json"),
    "JSON that is no object": (b"[1]", b"p", "wrong_type"),
    "invalid UTF-8": (b'{"patient_id":"\xff"}', b"p", "invalid_utf8"),
    "no value": (None, b"p", "empty"),
    "over 64 KiB": (event(source="x" * 70_000), b"p", "too_large"),
    "a megabyte": (b" " * 1_000_000, b"p", "too_large"),
    "values that are a list": (event(values=[1]), b"p", "wrong_type"),
    "no values": (event(values=...), b"p", "wrong_type"),
    "an unknown type": (event(type="lunch"), b"p", "wrong_type"),
    "no patient": (event(patient_id=...), b"p", "no_patient"),
    "an empty patient": (event(patient_id=""), b"", "no_patient"),
    "an id of 200 characters": (event(patient_id="p" * 200), b"p" * 200, "no_patient"),
    "an id with ESC": (event(patient_id="p\x1b[2J"), b"p\x1b[2J", "bad_patient"),
    "an id with a blank behind": (event(patient_id="p "), b"p ", "bad_patient"),
    "an id written right to left by force": (
        event(patient_id="\u202ep"), "\u202ep".encode(), "bad_patient",
    ),
    "values twice": (event()[:-1] + b',"values":{}}', b"p", "duplicate_key"),
    "no key": (event(), None, "no_key"),
    "another key": (event(), b"q", "key_mismatch"),
    "a key that is not UTF-8": (event(), b"\xff", "invalid_utf8"),
    "no time": (event(time=...), b"p", "no_time"),
    "a time without offset": (event(time="2026-01-01T00:00:00"), b"p", "bad_time"),
    "a time that is a fraction": (event(time=1.5), b"p", "bad_time"),
    "a time that is no time": (event(time="yesterday"), b"p", "bad_time"),
    "a time of an HL7 system": (event(time="20261121100000+0000"), b"p", "bad_time"),
    "seconds": (event(time=NOW_MS // 1000), b"p", "bad_time"),
    "the far future": (event(time="2099-01-01T00:00:00Z"), b"p", "future_time"),
    "two hours ahead": (event(time=NOW_MS + 7_200_000), b"p", "future_time"),
    "a discharge before any admission": (
        event(patient_id="nobody", type="discharge"), b"nobody", "no_stay",
    ),
    "a medication without a drug": (event(type="medication", action="start"), b"p", "wrong_type"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_EVENTS)
def test_a_bad_event_is_rejected_with_its_bytes_and_a_reason(
    client: ServiceClient, case: str
) -> None:
    value, key, reason = BAD_EVENTS[case]
    rejected = client.rejection_of(client.send(value, key))
    assert headers(rejected)["reason"] == reason
    assert headers(rejected)["topic"] == client.settings.topic_vitals
    assert headers(rejected)["ce_type"] == "vigil.rejected"
    assert (rejected.value, rejected.key) == (value, key)


def test_a_record_larger_than_any_message_is_rejected_cut_and_the_service_goes_on(
    client: ServiceClient,
) -> None:
    """Compressed it is small: Kafka takes it in, and would not take it as it is read."""
    came, key_bytes = 20_000_000, 2_000_000
    most = 16 * 1024 * 1024 - 64 * 1024
    producer = KafkaProducer(
        **client.settings.kafka_connection(), compression_type="gzip", max_request_size=2 * came
    )
    with contextlib.closing(producer):
        positions = [
            producer.send(client.settings.topic_vitals, bytes(came), key, partition=0).get(60)
            for key in (b"p", bytes(key_bytes))
        ]
    wide, both = (
        client.rejection_of((position.partition, position.offset)) for position in positions
    )
    assert headers(wide)["reason"] == headers(both)["reason"] == "too_large"
    assert headers(wide)["truncated"] == headers(both)["truncated"] == str(came)
    assert (wide.key, len(wide.value)) == (b"p", most - 1)
    assert "truncated-key" not in headers(wide)
    assert headers(both)["truncated-key"] == str(key_bytes)
    assert len(both.key) + len(both.value) == most
    assert client.risk_of(client.event("after"))["patient_id"] == "after"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_compression_that_kafka_has_is_read(client: ServiceClient, codec: str) -> None:
    value = event(patient_id=codec, values={"heart_rate": 80}, source=" " * 1_000)
    with contextlib.closing(
        KafkaProducer(**client.settings.kafka_connection(), compression_type=codec)
    ) as producer:
        sent = producer.send(client.settings.topic_vitals, value, codec.encode()).get(60)
    assert client.risk_of((sent.partition, sent.offset))["patient_id"] == codec


def test_a_batch_that_would_unpack_to_more_than_the_bound_is_rejected_as_it_came(
    client: ServiceClient,
) -> None:
    came = MOST_BYTES + 1
    producer = KafkaProducer(
        **client.settings.kafka_connection(), compression_type="gzip", max_request_size=2 * came
    )
    with contextlib.closing(producer):
        sent = producer.send(client.settings.topic_vitals, bytes(came), b"p", partition=0).get(60)
    rejected = client.rejection_of((sent.partition, sent.offset))
    assert headers(rejected)["reason"] == "unreadable"
    assert f"more than {MOST_BYTES} bytes" in headers(rejected)["detail"]
    assert len(rejected.value) < 1_000_000
    assert client.risk_of(client.event("after-a-bomb"))["patient_id"] == "after-a-bomb"


def test_a_header_whose_name_is_not_text_costs_its_record(client: ServiceClient) -> None:
    name = NotUtf8("name")
    with contextlib.closing(KafkaProducer(**client.settings.kafka_connection())) as producer:
        sent = [
            producer.send(client.settings.topic_vitals, event(), b"p", headers=header, partition=0)
            for header in ([], [(name, b"")], [])
        ]
        before, bad, after = [(one.get(60).partition, one.get(60).offset) for one in sent]
    rejected = client.rejection_of(bad)
    assert headers(rejected)["reason"] == "unreadable"
    assert event() in rejected.value
    client.collect()
    assert not {before, after} & {origin(r) for r in client.rejected}


GOOD_DESPITE_A_BAD_VALUE = {
    "not finite": b'{"values":{"heart_rate":NaN,"spo2":Infinity,"map":1e999}}',
    "an unknown variable": b'{"values":{"happiness":3}}',
    "an unknown unit": b'{"values":{"heart_rate":80},"units":{"heart_rate":"furlong"}}',
    "outside its limits": b'{"values":{"heart_rate":0}}',
    "a number as text": b'{"values":{"heart_rate":"80"}}',
    "true as a number": b'{"values":{"heart_rate":true}}',
    "nothing measured": b'{"values":{}}',
    "null": b'{"values":{"heart_rate":null}}',
}


@pytest.mark.parametrize("case", GOOD_DESPITE_A_BAD_VALUE)
def test_a_bad_value_is_missing_and_the_event_stands(client: ServiceClient, case: str) -> None:
    patient = f"value-{list(GOOD_DESPITE_A_BAD_VALUE).index(case)}"
    fields = GOOD_DESPITE_A_BAD_VALUE[case][1:]
    start = f'{{"patient_id":"{patient}","time":{NOW_MS},'.encode()
    risk = client.risk_of(client.send(start + fields, patient.encode()))
    assert risk["data"]["oldest_vital_minutes"] is None
    assert "heart_rate" in risk["data"]["values_missing"]


@pytest.mark.parametrize(
    ("value", "unit", "news2"),
    [(98.6, "[degF]", 0), (37.0, "Cel", 0), (102.2, "[degF]", 1), (98.6, "Cel", None)],
)
def test_a_temperature_counts_in_its_unit(
    client: ServiceClient, value: float, unit: str, news2: int | None
) -> None:
    patient = f"temperature-{value}-{unit}"
    position = client.event(patient, values={"temperature": value}, units={"temperature": unit})
    assert client.risk_of(position)["news2"] == news2


@pytest.mark.parametrize(("fio2", "news2"), [(21, 0), (0.21, 0), (40, 2), (0.4, 2), (5, 0)])
def test_oxygen_counts_as_fraction_and_as_percentage(
    client: ServiceClient, fio2: float, news2: int
) -> None:
    values = {"fio2": fio2, "heart_rate": 70}
    assert client.risk_of(client.event(f"fio2-{fio2}", values=values))["news2"] == news2


@pytest.mark.parametrize(
    "patient", ["__wm__", "Ångström", "🛏️ 7", "أحمد", "e\u0301", "x" * 128, "a/b c"]
)
def test_an_odd_patient_id_is_an_id(client: ServiceClient, patient: str) -> None:
    assert client.risk_of(client.event(patient))["patient_id"] == patient


def test_the_service_still_works_and_nothing_was_rejected_twice(client: ServiceClient) -> None:
    client.risk_of(client.event("last"))
    client.collect()
    positions = [(headers(r)["partition"], headers(r)["offset"]) for r in client.rejected]
    assert len(positions) == len(set(positions)) >= len(BAD_EVENTS)
