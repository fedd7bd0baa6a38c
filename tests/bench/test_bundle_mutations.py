from __future__ import annotations

from bench.bundle_mutations import mutated, run
from streamer.core.reasons import Refusal
from tests.support.small_models import random_bundle

N = 400
LONGEST_S = 5.0


def test_each_mutated_bundle_is_answered() -> None:
    outcomes = run(random_bundle(1), range(N))
    assert outcomes.crashes == []
    assert outcomes.counts.total() == N
    assert outcomes.slowest_s < LONGEST_S
    # The mutations reach every check, and some do no harm.
    answers = {Refusal.UNREADABLE, Refusal.UNSOUND, Refusal.NOT_REPRODUCED}
    assert answers | {"accepted"} <= set(outcomes.counts)


def test_a_seed_makes_the_same_bundle_again() -> None:
    packed = random_bundle(1).to_bytes()
    made = [mutated(packed, seed) for seed in range(30)]
    assert made == [mutated(packed, seed) for seed in range(30)]
    assert len(set(made)) > 25
