"""The topic of states gets all that a batch changes: nothing is overlooked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, Final
from zlib import crc32

import numpy as np
import pytest

from streamer.core import codec
from streamer.core.canary import canary_id
from streamer.core.codec import Era
from streamer.core.scoring import Scorer
from streamer.ports.log import LogUnavailable
from streamer.ports.state_topic import StateRecord
from streamer.service import ownership
from streamer.service.batch import Result
from streamer.service.changelog import Changelog
from streamer.service.state_records import Mark
from streamer.service.takeover import Partition
from tests.service.test_restore import lose_store, service, snapshot, steps
from tests.service.test_worker import LIBRARY, assert_same
from tests.support.fake_service import (
    TOPICS,
    Event,
    FakeService,
    answered_log,
    event,
    library,
    stays_in,
)
from tests.support.small_models import random_bundle

SEEDS: Final = (1, 4)
MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
START_MS: Final = 1_700_000_000_000


def ward_log(seed: int) -> list[tuple[Event, int]]:
    """Events with the timestamps of their records: people answer, move and rename patients.

    Minutes pass between two records, so that the deadlines of pauses, snoozes and answers come, and
    a fortnight before the last, so that stays expire.
    """
    draws = np.random.default_rng(seed)
    log: list[tuple[Event, int]] = []
    now_ms, minute = START_MS, 0.0
    for one in answered_log(LIBRARY, seed):
        now_ms += int(draws.exponential(12) * MINUTE_MS)
        log.append((one, now_ms))
        minute = max(minute, _minute(one))
        i = int(draws.integers(6))
        moved = event(i % 3, f"p{i}", minute, type="transfer", ward=f"W{len(log)}", bed="1")
        named = event(i % 3, f"p{i}", 0, type="admission", age=50 + i, label=f"patient {len(log)}")
        if draws.random() < 0.15:
            log.append((moved if draws.random() < 0.6 else named, now_ms))
    later = [event(n, f"new{n}", minute + 30, values={"heart_rate": 70}) for n in range(3)]
    return [*log, *((one, now_ms + 17 * DAY_MS) for one in later)]


def _minute(one: Event) -> float:
    try:
        return float((json.loads(one[2] or b"")["time"] - START_MS) / MINUTE_MS)
    except (ValueError, KeyError, TypeError):
        return 0.0


def sent(fake: FakeService, log: Sequence[tuple[Event, int]]) -> FakeService:
    for (partition, key, value), timestamp_ms in log:
        fake.broker.append(partition, key, value, timestamp_ms)
    return fake


class Watched:
    """Compares all stays before and after each batch with what was noted."""

    def __init__(self) -> None:
        self.before: dict[str, bytes] = {}
        self.n_changed = 0
        self.overlooked: list[str] = []
        self._note = Changelog.note

    def note(
        self,
        changelog: Changelog,
        scorer: Scorer,
        patients: Sequence[str],
        starts: Mapping[int, int],
        owned: Mapping[int, Partition],
        result: Result,
    ) -> None:
        self._note(changelog, scorer, patients, starts, owned, result)
        table = scorer.table
        slots = np.array(list(table.slot_of.values()), np.intp)
        encoded = codec.encode(table, slots, Era("era"))
        after = dict(zip(table.names(slots), encoded, strict=True))
        noted = {
            patient
            for partition in owned.values()
            if partition.unsent is not None
            for patient in partition.unsent._since
        }
        names = self.before.keys() | after.keys()
        changed = {p for p in names if self.before.get(p) != after.get(p)}
        self.overlooked += sorted(changed - noted)  # an error here would blame a record
        self.n_changed += len(changed)
        self.before = after


@pytest.mark.parametrize("seed", SEEDS)
def test_each_stay_that_a_batch_changes_is_noted(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever did it: vitals, people, deadlines, transfers, labels, silence."""
    log, watched = ward_log(seed), Watched()

    def note(*arguments: Any) -> None:
        watched.note(*arguments)

    monkeypatch.setattr(Changelog, "note", note)
    fake = sent(service([], states_s=2), log)
    fake.drain(fake.process(max_batch=3))
    assert watched.overlooked == []
    phases = {m["phase"] for m in fake.messages("alerts")}
    assert {"snooze", "pause", "acknowledge", "overdue", "unpause"} <= phases, phases
    stays = [output.value for output in fake.broker.outputs if output.topic == TOPICS.stays]
    assert None in stays, "no stay has expired"
    assert any(b'"ward":"W' in stay and b'"label":"patient' in stay for stay in stays if stay)
    assert watched.n_changed > 100


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("states_s", [1, 7])
def test_losses_cost_nothing_of_what_people_and_deadlines_did(seed: int, states_s: float) -> None:
    log = ward_log(seed)
    expected = sent(FakeService(LIBRARY), log)
    expected.drain(expected.process())
    fake = service([], states_s=states_s)
    process = fake.process(max_batch=5)
    losses = 0
    for begin in range(0, len(log), 40):
        sent(fake, log[begin : begin + 40])
        steps(process, 9)
        losses += lose_store(fake)
        if begin % 80 == 0:
            fake.kill(process)
            process = fake.process(max_batch=5)
    fake.drain(process)
    assert losses > 3
    assert_same(fake, expected)


def crowd(n_days: int, n_patients: int, seed: int) -> list[tuple[Event, int]]:
    """Patients who come on several days, more of them than may."""
    draws = np.random.default_rng(seed)
    log = []
    for i in range(n_days * n_patients):
        day = i // n_patients
        who = f"p{int(draws.integers(n_patients))}"
        minute = day * 24 * 60 + i % n_patients
        one = event(0, who, minute, values={"heart_rate": 70 + i % 30})
        log.append((one, START_MS + day * DAY_MS + i))
    return log


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("states_s", [2, 9])
def test_a_restore_takes_the_patients_that_the_limit_took(seed: int, states_s: float) -> None:
    """Stays from after the mark must not count when the replay begins at it."""
    log = crowd(n_days=3, n_patients=12, seed=seed)
    fakes = []
    for loses in (False, True):
        fake = service([], states_s=states_s, n_partitions=1)
        fake.max_patients_a_day = 4
        process = fake.process(max_batch=2)
        losses = 0
        for begin in range(0, len(log), 6):
            sent(fake, log[begin : begin + 6])
            steps(process, 4)
            if loses:
                losses += lose_store(fake)
        fake.drain(process)
        fakes.append(fake)
    assert losses > 3
    rejected = [o for o in fakes[0].broker.outputs if o.topic == TOPICS.rejected]
    assert {dict(o.headers)["reason"] for o in rejected} == {b"too_many_patients"}
    assert_same(fakes[1], fakes[0])


def test_a_stay_that_goes_out_early_takes_nobody_s_place_in_a_restore() -> None:
    """One who is sent with the day that a replay has yet to come to counts for that day."""
    turns, limit = 40, 2
    fake = service([], states_s=turns, n_partitions=1)
    fake.max_patients_a_day = limit
    process = fake.process()

    def come(day: int, *patients: str) -> None:
        for patient in patients:
            one = event(0, patient, day * 24 * 60, values={"heart_rate": 70})
            fake.broker.append(0, one[1], one[2], START_MS + day * DAY_MS)

    come(0, "c")
    fake.drain(process)
    turn = crc32(b"c") % turns
    steps(process, 2 * turns)
    while (process._rounds + 2) % turns != turn:
        process.step()
    names = (f"p{i}" for i in range(10_000))
    a, b = [name for name in names if crc32(name.encode()) % turns == (turn - 4) % turns][:2]
    come(1, b, a, "c", "d")
    while snapshot(fake, 0).stays["c"][0] < 5:
        process.step()
    expected = fake.stored_stays()
    assert set(expected[0]) == {"c", a, b}, "d is one too many"
    assert lose_store(fake)
    fake.kill(process)
    fake.drain(fake.process())
    assert fake.stored_stays() == expected


def test_a_stay_that_begins_goes_out_with_its_first_event() -> None:
    fake = service([event(0, "p", 0, values={"heart_rate": 70})], states_s=1_000, n_partitions=1)
    process = fake.process()
    steps(process, 2)
    assert snapshot(fake, 0).stays["p"][0] == 1
    fake.send([event(0, "p", 1, values={"heart_rate": 71})])
    steps(process, 3)
    assert snapshot(fake, 0).stays["p"][0] == 1, "later changes wait for its turn"


def test_a_canary_goes_out_with_each_of_its_events_and_its_end() -> None:
    canary = canary_id("one", 0, 0)
    fake = service([], states_s=1_000, n_partitions=1)
    process = fake.process()
    overlooked = []
    admission: dict[str, Any] = {"type": "admission", "age": 60}
    for fields in (admission, {"values": {"heart_rate": 70}}, {"type": "discharge"}):
        fake.send([event(0, canary, 0, processing="T", **fields)])
        steps(process, 2)
        w, stay = snapshot(fake, 0).stays[canary]
        overlooked.append((w, stay is None))
    assert overlooked == [(1, False), (2, False), (3, True)]


def test_whoever_was_refused_is_not_sent() -> None:
    """A flood of made-up ids must not become a flood of records without a stay."""
    fake = service([], states_s=1_000, n_partitions=1)
    fake.max_patients_a_day = 1
    process = fake.process(max_batch=5)
    fake.send([event(0, f"p{i}", i, values={"heart_rate": 70}) for i in range(50)])
    fake.drain(process)
    assert snapshot(fake, 0).stays.keys() == {"p0"}


def test_a_lost_home_is_not_given_away_in_a_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patient of partition 1 whose events come on partition 0 as well, which is taken first."""
    monkeypatch.setattr(ownership, "RETRY_UNTAKEN_S", 0.0)
    fake = service([], states_s=1_000, n_partitions=2)
    process = fake.process(max_batch=1)

    def come(*patients: tuple[int, str]) -> None:
        fake.send([event(n, p, 0, values={"heart_rate": 70}) for n, p in patients])
        fake.drain(process)

    come((0, "q"), (1, "p"))
    come((0, "p"), (0, "p"), (0, "z"))
    assert snapshot(fake, 0).mark == Mark(1, Era(LIBRARY.in_force().model_id), START_MS // DAY_MS)
    n_outputs = len(fake.broker.outputs)
    fake.kill(process)
    fake.states.wipe()
    read, process = fake.state_topic.read, fake.process(max_batch=1)

    def of_partition_0(partition: int) -> Iterator[Sequence[StateRecord]]:
        if partition:
            raise LogUnavailable("not yet")
        return read(partition)

    monkeypatch.setattr(fake.state_topic, "read", of_partition_0)
    steps(process, 9)
    assert set(stays_in(fake.states, 0)) == {"q", "z"}
    monkeypatch.setattr(fake.state_topic, "read", read)
    fake.drain(process)
    assert set(stays_in(fake.states, 0)) == {"q", "z"}
    assert set(stays_in(fake.states, 1)) == {"p"}
    assert not process.worker.blocked
    assert len(fake.broker.outputs) == n_outputs, "a replay says nothing"


def test_a_swap_leaves_a_quiet_partition_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each idle round would be an empty transaction, until the next event."""
    models, channel = library(5)
    fake = FakeService(models, n_partitions=1)
    fake.states_s = 60
    process = fake.process()
    for minute in (0, 1):
        fake.send([event(0, "p", minute, values={"heart_rate": 70})])
        fake.drain(process)
        steps(process, 100 - 99 * minute)  # the second one is not sent when the model comes
    bundle = random_bundle(6)
    channel.publish(bundle.model_id, bundle.to_bytes(), 1)
    process.worker._active._refreshed = -inf
    steps(process, 1)
    mark = snapshot(fake, 0).mark
    assert mark is not None
    assert mark.era == Era(bundle.model_id, 1)
    transactions: list[object] = []
    monkeypatch.setattr(process.log, "transact", lambda *written: transactions.append(written))
    steps(process, 100)
    assert transactions == []


def test_nothing_goes_out_where_there_is_no_topic() -> None:
    fake = service([event(0, "p", 0, values={"heart_rate": 70})], states_s=0)
    fake.drain(fake.process())
    topics: set[Any] = {output.topic for output in fake.broker.outputs}
    assert TOPICS.states not in topics
