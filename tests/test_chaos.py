"""The short form of the chaos run; `make chaos` is the long one."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from bench.chaos import on_kafka, on_redis, on_services, sender
from bench.chaos.events import invented
from bench.chaos.lane import deck
from bench.chaos.report import report
from bench.chaos.run import Outcome, Plan, run
from streamer.core.columns import Record, decode
from streamer.core.reasons import Reason
from streamer.local import LocalStack

NOW_MS = 1_800_000_000_000
# A loaded machine has fewer faults in the same time; each target has some in any case.
FEWEST_FAULTS, FEWEST_KINDS = 6, 5


@pytest.mark.timeout(400)
def test_whatever_happens_to_real_services_nothing_comes_of_it(tmp_path: Path) -> None:
    plan = Plan(
        seed=11, seconds=20, events=12_000, services=2,
        broker_rest_s=(4, 6), redis_rest_s=(1, 3), drain_s=240,
    )  # fmt: skip
    # Kafka and Redis of its own: both are taken away.
    with LocalStack() as stack:
        outcome = run(stack, tmp_path, plan)
    assert not outcome.errors
    assert outcome.n_differences == 0, report(plan, outcome, "here")
    assert outcome.holds
    assert outcome.events >= plan.events
    expected = {kind: of.expected for kind, of in outcome.differences.items()}
    assert expected["risk"] > 1_000
    assert expected["rejected"] > 50
    assert expected["alert"] > 0
    assert expected["state"] > 50
    kinds = outcome.by_kind
    assert kinds.total() >= FEWEST_FAULTS
    assert len(kinds) >= FEWEST_KINDS
    for target in (on_services, on_redis, on_kafka):
        assert kinds.keys() & set(target.KINDS), target.__name__
    assert outcome.told["partitions taken"] > 8


def test_there_are_kinds_of_faults_for_everything() -> None:
    kinds = (*on_services.KINDS, *on_redis.KINDS, *on_kafka.KINDS, *sender.KINDS)
    assert len(set(kinds)) == len(kinds) >= 25


def test_a_seed_is_a_sequence_of_faults() -> None:
    def first(seed: int, start: float = 0.0) -> list[str]:
        return list(itertools.islice(deck(seed, "redis", on_redis.KINDS, start), 25))

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert set(first(1)[: len(on_redis.KINDS)]) == set(on_redis.KINDS)
    assert first(1, 0.5)[:5] == first(1)[5:10]


def test_what_is_sent_is_a_ward_with_everything_that_can_be_wrong() -> None:
    events = list(invented(3, 5_000, 4, NOW_MS))
    assert events == list(invented(3, 5_000, 4, NOW_MS))
    assert len(events) == 5_000
    assert len({event.key for event in events}) > 50
    values = [event.value for event in events]
    assert len(set(values)) < len(values) - 50, "some come again"
    records = [Record(0, i, NOW_MS, event.key, event.value) for i, event in enumerate(events)]
    columns = decode(records, 3_600_000)
    assert {rejection.reason for rejection in columns.rejections} >= {
        Reason.EMPTY, Reason.NO_KEY, Reason.KEY_MISMATCH, Reason.NOT_JSON, Reason.WRONG_TYPE,
        Reason.FUTURE_TIME, Reason.BAD_TIME,
    }  # fmt: skip
    assert len(columns.rejections) < 0.05 * len(events)
    assert columns.problems


def test_a_run_that_was_not_compared_does_not_hold() -> None:
    assert not Outcome([], []).holds
    assert not Outcome([], ["the sender did not end"]).holds
