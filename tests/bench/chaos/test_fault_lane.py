"""The decks of faults: kinds for each target, in an order fixed by the seed."""

from __future__ import annotations

import itertools

from bench.chaos import actions, broker_faults, redis_faults, sender, service_faults
from bench.chaos.fault_lane import deck


def test_every_target_has_faults_of_its_own() -> None:
    modules = (service_faults, redis_faults, broker_faults, sender, actions)
    kinds = [kind for module in modules for kind in module.KINDS]
    assert len(set(kinds)) == len(kinds) >= 28


def test_a_seed_fixes_the_sequence_of_faults() -> None:
    def first(seed: int, start: float = 0.0) -> list[str]:
        return list(itertools.islice(deck(seed, "redis", redis_faults.KINDS, start), 25))

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert set(first(1)[: len(redis_faults.KINDS)]) == set(redis_faults.KINDS)
    assert first(1, 0.5)[:5] == first(1)[5:10]
