from __future__ import annotations

import numpy as np
import pytest

from streamer.core.alerts import AlertPolicy, Phase, empty_state, step
from streamer.core.time import HOUR_MS
from tests.support.scored_stays import random_risks
from tests.support.synthetic_stays import random_labels
from trainer.decisions.alert_replay import (
    AT_ONCE,
    HIGH_PPV,
    LEAST_HIGH_STAYS,
    NEVER,
    OFF_ODDS,
    PolicyRule,
    alert_phases,
    alert_starts,
    alert_starts_of_each,
)

POLICY = AlertPolicy(medium=0.2, high=0.5, off=0.1)


def test_all_stays_together_are_each_stay_alone_in_the_streamers_rules() -> None:
    label, starts = random_labels(3, 60)
    risk = random_risks(label, 3)
    phases = alert_phases(risk, starts, POLICY)
    for first, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        state = empty_state(1)
        for row in range(first, end):
            time_ms = np.array([(row - first) * HOUR_MS])
            state, phase = step(state, risk[row : row + 1], time_ms, POLICY)
            assert phases[row] == phase[0]
    assert {int(p) for p in phases} == {int(p) for p in Phase}  # every phase was compared


def test_many_policies_at_once_are_each_policy_alone() -> None:
    label, starts = random_labels(4, 60)
    risk = random_risks(label, 4)
    media = np.linspace(0.02, 0.6, AT_ONCE + 3)
    policies = [AlertPolicy(float(m), float(m + 0.2), float(m / 2)) for m in media]
    together = list(alert_starts_of_each(risk, starts, policies))
    assert len(together) == len(policies)
    for policy, alerts in zip(policies, together, strict=True):
        np.testing.assert_array_equal(alerts, alert_starts(risk, starts, policy))
    assert len({int(one.sum()) for one in together}) > 3


def test_a_second_start_waits_for_the_lockout() -> None:
    risk = np.tile([0.3, 0.05], 13)
    starts = np.flatnonzero(alert_starts(risk, np.array([0, 26]), POLICY))
    assert starts.tolist() == [0, 12, 24]


def test_the_other_thresholds_follow_from_medium() -> None:
    label, starts = random_labels(5, 900)
    risk = random_risks(label, 5)
    policy = PolicyRule(label, starts, risk).complete(0.25)
    odds = 0.25 / 0.75 * OFF_ODDS
    assert policy.off == pytest.approx(odds / (1 + odds), rel=1e-12)
    highest = np.maximum.reduceat(risk, starts[:-1])
    septic = np.maximum.reduceat(label, starts[:-1]) == 1
    base = septic[highest > 0.25].mean()
    above = highest > policy.high
    assert above.sum() >= LEAST_HIGH_STAYS
    assert septic[above].mean() >= HIGH_PPV * base
    # The lowest such threshold: with the next lower stay the share is not reached.
    lower = np.sort(highest[highest < policy.high])[-1]
    assert septic[highest >= lower].mean() < HIGH_PPV * base


def test_high_is_never_where_nothing_tells_it_apart() -> None:
    label, starts = random_labels(6, 40)
    rule = PolicyRule(label, starts, random_risks(label, 6))
    assert rule.complete(0.3).high == NEVER  # 40 stays cannot show twice the share
    assert rule.complete(0.9999).high == NEVER
    healthy = PolicyRule(np.zeros_like(label), starts, random_risks(label, 6))
    assert healthy.complete(0.01).high == NEVER


def test_risks_rounded_to_one_still_give_a_policy() -> None:
    label, starts = random_labels(7, 30)
    policy = PolicyRule(label, starts, np.ones(len(label))).complete(1.0)
    assert 0 < policy.off < policy.medium < policy.high == NEVER
