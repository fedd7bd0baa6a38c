"""The outcome of a chaos run holds only after a comparison without differences."""

from __future__ import annotations

from collections import Counter

from bench.chaos.judging import Judgement
from bench.chaos.run import SILENCE_LIMIT_S, Outcome
from bench.oracle import Differences


def test_a_run_that_was_not_compared_does_not_hold() -> None:
    assert not Outcome([], []).holds
    assert not Outcome([], ["the sender did not end"]).holds


def test_a_run_holds_when_neither_oracle_finds_anything_and_no_partition_was_mute() -> None:
    outcome = Outcome([], [], differences={"risk": Differences(expected=1)})
    assert not outcome.holds, "the independent oracle has judged nothing"
    outcome.judgement = Judgement(Counter(risk=1))
    assert outcome.holds
    outcome.judgement.faults["alert"] += 1
    assert not outcome.holds
    outcome.judgement.faults.clear()
    outcome.longest_silence_s = SILENCE_LIMIT_S + 1
    assert not outcome.holds
