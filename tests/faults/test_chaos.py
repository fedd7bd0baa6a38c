"""The short form of the chaos run; `make chaos` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.chaos import actions, broker_faults, redis_faults, service_faults
from bench.chaos.report import report
from bench.chaos.run import Plan, run
from streamer.local import LocalStack

# A loaded machine has fewer faults in the same time; each target has some in any case.
FEWEST_FAULTS, FEWEST_KINDS = 6, 5


@pytest.mark.timeout(400)
def test_whatever_happens_to_real_services_nothing_comes_of_it(tmp_path: Path) -> None:
    plan = Plan(
        seed=11, seconds=20, events=7_000, services=2,
        broker_rest_s=(4, 6), redis_rest_s=(1, 3), drain_s=240, share_computed=4,
    )  # fmt: skip
    # Kafka and Redis of its own: both are taken away.
    with LocalStack() as stack:
        outcome = run(stack, tmp_path, plan)
    assert not outcome.errors
    assert outcome.n_differences == 0, report(plan, outcome, "here")
    assert not outcome.judgement.faults, report(plan, outcome, "here")
    assert outcome.judgement.checked["risk"] > 200
    assert outcome.judgement.checked["accepted action"]
    assert outcome.judgement.checked["response"]
    assert outcome.holds
    assert outcome.events >= plan.events
    expected = {kind: counts.expected for kind, counts in outcome.differences.items()}
    assert expected["risk"] > 1_000
    assert expected["rejected"] > 50
    assert expected["alert"] > 0
    assert expected["state"] > 50
    kinds = outcome.by_kind
    assert kinds.total() >= FEWEST_FAULTS
    assert len(kinds) >= FEWEST_KINDS
    for target in (service_faults, redis_faults, broker_faults, actions):
        assert kinds.keys() & set(target.KINDS), target.__name__
    assert outcome.service_events["partitions taken"] > 8
