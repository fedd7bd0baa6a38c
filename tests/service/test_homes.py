"""Two workers, and patients whose events come on their own partition and on another one as well."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from streamer.core.time import DAY_MS
from streamer.ports.log import LogUnavailable
from tests.service.test_restore import service, snapshot
from tests.service.test_worker import assert_same
from tests.support.fake_service import ORIGIN_MS, TOPICS, Event, FakeService, event, stays_in

# Of each partition one, and their first events are where they are at home.
PATIENTS: Final = ("p", "q")
_ROUNDS: Final = 60


def observations(seed: int) -> list[list[Event]]:
    """Events of a round each: a fifth come on the wrong partition, in any order."""
    draws = np.random.default_rng(seed)
    rounds: list[list[Event]] = [
        [event(n, p, 0, values={"heart_rate": 70}) for n, p in enumerate(PATIENTS)]
    ]
    for minute in range(1, _ROUNDS):
        events = []
        for _ in range(3):
            home = int(draws.integers(2))
            on = 1 - home if draws.random() < 0.2 else home
            rate = int(draws.integers(60, 140))
            events.append(event(on, PATIENTS[home], minute, values={"heart_rate": rate}))
        rounds.append(events)
    return rounds


def undisturbed(rounds: list[list[Event]]) -> FakeService:
    fake = service([], n_partitions=2)
    process = fake.process()
    for events in rounds:
        fake.send(events)
        fake.drain(process)
    return fake


@pytest.mark.parametrize("kills", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_whoever_asks_first_after_a_loss_gets_nobody_s_patient(seed: int, kills: bool) -> None:
    rounds = observations(seed)
    fake = service([], n_partitions=2)
    draws = np.random.default_rng(seed)
    workers = [fake.process(), fake.process()]
    fake.send(rounds[0])
    fake.drain(*workers)
    assert [list(stays_in(fake.states, n)) for n in range(2)] == [["p"], ["q"]]
    n_losses = 0
    for events in rounds[1:]:
        if draws.random() < 0.2 and all(snapshot(fake, n).mark for n in range(2)):
            n_losses += 1
            fake.states.wipe()
            if kills:
                for worker in workers:
                    fake.kill(worker)
                workers = [fake.process(), fake.process()]
        fake.send(events)
        for _ in range(int(draws.integers(4))):
            workers[int(draws.integers(2))].step()
    fake.drain(*workers)
    assert n_losses > 5
    assert not any(worker.worker.blocked for worker in workers)
    astray = [o for o in fake.broker.outputs if o.topic == TOPICS.rejected]
    assert {dict(o.headers)["reason"] for o in astray} == {b"other_partition"}
    assert_same(fake, undisturbed(rounds))


def test_nobody_new_is_taken_before_the_homes_are_back() -> None:
    """Patients who are known go on meanwhile."""
    fake = service([event(0, "p", 0, values={"heart_rate": 70})], n_partitions=1)
    process = fake.process()
    fake.drain(process)
    fake.states.lose_homes()
    fake.state_topic.available = False
    fake.send([event(0, "p", 1, values={"heart_rate": 71})])
    process.step()
    assert fake.broker.committed[0] == 2
    fake.send([event(0, "new", 1, values={"heart_rate": 71})])
    with pytest.raises(LogUnavailable):
        process.worker.step()
    assert fake.broker.committed[0] == 2
    fake.state_topic.available = True
    fake.drain(process)
    assert fake.broker.committed[0] == 3
    assert fake.states.claim_partition(fake.broker.topic_id, 7, 1, ["p", "new"]) == {
        "p": 0,
        "new": 0,
    }


def test_a_home_ends_with_its_stay() -> None:
    """Whoever has none left in the topic of states is at home where the next event comes."""
    fake = service([event(0, "p", 0, values={"heart_rate": 70})], n_partitions=2)
    process = fake.process()
    fake.drain(process)
    (record,) = (r for page in fake.state_topic.read(0) for r in page if r.key == b"p")
    _, key, value = event(0, "other", 30 * 1440, values={"heart_rate": 70})
    fake.broker.append(0, key, value, ORIGIN_MS + 30 * DAY_MS)
    fake.drain(process)
    assert record.partition == 0
    assert snapshot(fake, 0).stays["p"][1] is None, "it has expired"
    fake.states.lose_homes()
    fake.send([event(1, "p", 30 * 1440, values={"heart_rate": 70})])
    fake.drain(process)
    assert list(stays_in(fake.states, 1)) == ["p"]
