from __future__ import annotations

import pytest

from streamer.canary.once import Round
from streamer.canary.probes import Outcome
from streamer.canary.watch import Verdict


def test_the_first_verdict_of_a_partition_counts() -> None:
    ended = Round({0: 1.0, 1: 1.0})
    assert ended.take(Verdict(0, Outcome.LOST))
    assert not ended.take(Verdict(0, Outcome.OK))
    assert ended.missing == [1]
    assert ended.take(Verdict(1, Outcome.OK))
    assert ended.is_complete
    assert not ended.is_ok


@pytest.mark.parametrize(
    ("watched", "heard", "is_ok"),
    [({0, 1}, {0, 1}, True), ({0, 1}, {0}, False), ({0, 1}, set(), False), (set(), set(), False)],
)
def test_all_is_ok_when_no_partition_is_missing(
    watched: set[int], heard: set[int], is_ok: bool
) -> None:
    ended = Round(watched, {p: Verdict(p, Outcome.OK) for p in heard})
    assert (ended.is_ok, ended.is_complete) == (is_ok, is_ok)
    assert ended.missing == sorted(watched - heard)
