"""The outcome of a chaos run holds only after a comparison without differences."""

from __future__ import annotations

from bench.chaos.run import Outcome


def test_a_run_that_was_not_compared_does_not_hold() -> None:
    assert not Outcome([], []).holds
    assert not Outcome([], ["the sender did not end"]).holds
