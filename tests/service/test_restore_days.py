"""The clock of the log in a restore: patients are let go on the day on which they went before."""

from __future__ import annotations

import numpy as np

from streamer.core.time import DAY_MS
from tests.service.test_changelog import START_MS, sent
from tests.service.test_restore import lose_store, service, snapshot, steps
from tests.service.test_worker import assert_same
from tests.support.fake_service import Event, FakeService, event

_DAYS = 26


def silent_patients(draws: np.random.Generator) -> list[tuple[Event, int]]:
    """Some events a day, of patients who come for a few days and are silent then.

    Some records are two days late, so the day of the log is not that of the record.
    """
    log = []
    for day in range(_DAYS):
        for i in range(8):
            newest = day // 2 * 3 + 3
            who = f"p{int(draws.integers(max(0, newest - 9), newest))}"
            one = event(0, who, day * 24 * 60 + i, values={"heart_rate": 70 + i})
            late = 2 if draws.random() < 0.2 else 0
            log.append((one, START_MS + (day - late) * DAY_MS + i))
    return log


def after(log: list[tuple[Event, int]], seed: int, *, loses: bool) -> FakeService:
    """A service that has read the log; the store is lost some twenty times, if ``loses``."""
    draws = np.random.default_rng(seed)
    fake = service([], states_s=float(draws.integers(2, 60)), n_partitions=1)
    process = fake.process(max_batch=2)
    losses = begin = 0
    while begin < len(log):
        n = int(draws.integers(1, 30))
        sent(fake, log[begin : begin + n])
        begin += n
        steps(process, int(draws.integers(1, 12)))
        if draws.random() < 0.5:
            losses += lose_store(fake) if loses else 0
            fake.kill(process)
            process = fake.process(max_batch=2)
    fake.drain(process)
    assert losses > 3 or not loses
    return fake


def test_processes_that_die_change_no_day() -> None:
    log = silent_patients(np.random.default_rng(0))
    undisturbed = sent(service([], states_s=5.0, n_partitions=1), log)
    undisturbed.drain(undisturbed.process())
    assert_same(after(log, 0, loses=False), undisturbed)


def test_a_lost_store_changes_no_day() -> None:
    log = silent_patients(np.random.default_rng(0))
    assert_same(after(log, 0, loses=True), after(log, 0, loses=False))


def test_a_mark_of_an_earlier_version_restores_without_days() -> None:
    fake = sent(
        service([], states_s=5.0, n_partitions=1), silent_patients(np.random.default_rng(0))
    )
    process = fake.process(max_batch=2)
    steps(process, 40)
    known = snapshot(fake, 0)
    assert known.mark is not None
    assert known.log_days() is not None
    known.mark = known.mark._replace(day=None)
    assert known.log_days() is None
