from __future__ import annotations

import pytest

from tests.support.fake_service import (
    TOPICS,
    FakeService,
    Killed,
    event,
    library,
    stays_in,
)

LIBRARY, _ = library(5)


def limited(n_partitions: int) -> FakeService:
    fake = FakeService(LIBRARY, n_partitions=n_partitions)
    fake.max_patients_a_day = 2
    return fake


def seen(partition: int, patient: str, minute: float) -> tuple[int, bytes | None, bytes | None]:
    return event(partition, patient, minute, values={"heart_rate": 80})


def test_new_patients_beyond_the_limit_are_rejected_and_may_come_elsewhere() -> None:
    fake = limited(n_partitions=2)
    process = fake.process()
    fake.send([seen(0, patient, minute) for minute, patient in enumerate("abcab")])
    fake.drain(process)
    (rejected,) = [output for output in fake.broker.outputs if output.topic == TOPICS.rejected]
    assert rejected.key == b"c"
    assert dict(rejected.headers)["reason"] == b"too_many_patients"
    fake.send([seen(1, "c", 7)])
    fake.drain(process)
    assert {n: set(stays_in(fake.states, n)) for n in (0, 1)} == {0: {"a", "b"}, 1: {"c"}}


def test_whoever_replays_them_refuses_the_same() -> None:
    fake = limited(n_partitions=1)
    process = fake.process()
    fake.send([seen(0, "a", 0)])
    fake.drain(process)
    fake.send([seen(0, patient, minute) for minute, patient in enumerate("cbacb", 1)])

    def die() -> None:
        raise Killed

    process.at["after_transaction"] = die
    with pytest.raises(Killed):
        fake.drain(process)
    fake.kill(process)
    n_outputs = len(fake.broker.outputs)
    fake.drain(fake.process())
    assert len(fake.broker.outputs) == n_outputs, "they were replayed in silence"
    assert set(stays_in(fake.states, 0)) == {"a", "c"}
