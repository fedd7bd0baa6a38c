"""A record's timestamp in microseconds costs the record: it is no time, and no clock follows it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_service import ORIGIN_MS, TOPICS, Event, FakeService, Killed, die, event
from tests.support.fake_service import library as models

LIBRARY, _ = models(5)
MICROSECONDS = ORIGIN_MS * 1000


def send(fake: FakeService, patients: str) -> None:
    fake.send([event(0, p, i, values={"heart_rate": 80 + i}) for i, p in enumerate(patients)])


def poison(fake: FakeService, *events: Event) -> None:
    for partition, key, value in events:
        fake.broker.append(partition, key, value, timestamp_ms=MICROSECONDS)


def reasons(fake: FakeService) -> list[tuple[bytes, bytes]]:
    headers = [dict(o.headers) for o in fake.broker.outputs if o.topic == TOPICS.rejected]
    return [(h["reason"], h["time"]) for h in headers]


def risks(fake: FakeService) -> list[Any]:
    return [(risk["patient_id"], risk["risk"]) for risk in fake.messages("risk")]


def test_it_is_rejected_and_nobody_else_is_let_go() -> None:
    good, fake = (FakeService(LIBRARY, n_partitions=1) for _ in range(2))
    for one in (good, fake):
        send(one, "pq")
        if one is fake:
            poison(one, event(0, "p", 1, values={"heart_rate": 120}), (0, b"q", b"no JSON"))
            poison(one, event(0, "r", 1, type="admission"))
        send(one, "ppqq")
        one.drain(one.process())
    assert risks(fake) == risks(good)
    assert reasons(fake) == [
        (b"bad_timestamp", b"9999-12-31T23:59:59.999Z"),
        (b"not_json", b"9999-12-31T23:59:59.999Z"),
        (b"bad_timestamp", b"9999-12-31T23:59:59.999Z"),
    ]


def test_it_is_rejected_once_and_is_no_event_in_a_replay_either() -> None:
    fake = FakeService(LIBRARY, n_partitions=1, rebuild_ms=60_000)
    send(fake, "pqpq")
    poison(fake, event(0, "p", 1, values={"heart_rate": 120}))
    for _ in range(3):
        process = fake.process()
        process.at["after_transaction"] = die
        with pytest.raises(Killed):
            fake.drain(process)
            raise Killed
        fake.kill(process)
    process = fake.process()
    fake.drain(process)
    assert [reason for reason, _ in reasons(fake)] == [b"bad_timestamp"]
    stays = fake.stored_stays()
    fake.states.wipe()  # nothing tells where to begin but the timestamps of the log
    send(fake, "p")
    fake.kill(process)
    fake.drain(fake.process())
    assert [reason for reason, _ in reasons(fake)] == [b"bad_timestamp"]
    assert fake.stored_stays()[0].keys() == stays[0].keys() == {"p", "q"}
