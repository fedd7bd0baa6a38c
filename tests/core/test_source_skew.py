"""A clock is off when it stays off; names are bounded, and none shows a patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from streamer.core.source_skew import MOST_SOURCES, OTHER, WINDOW, SourceSkew

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def feed(
    skew: SourceSkew,
    source: object,
    behind_ms: Sequence[int],
    every_ms: int = MINUTE_MS,
    from_ms: int = 0,
) -> list[str]:
    """The names of the clocks that were judged off, one record after the other."""
    measured = np.arange(len(behind_ms), dtype=np.int64) * every_ms + from_ms
    off = skew.take(
        [source] * len(measured), ["p1"] * len(measured), measured + np.array(behind_ms), measured
    )
    return [clock.name for clock in off]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_that_is_always_off_is_one_and_an_hour_is_none(sign: int) -> None:
    assert feed(SourceSkew(), "lab", [sign * 5 * HOUR_MS] * WINDOW) == ["lab"]
    assert feed(SourceSkew(), "lab", [sign * (HOUR_MS + 1)] * WINDOW) == ["lab"]
    assert feed(SourceSkew(), "lab", [sign * HOUR_MS] * WINDOW) == []


def test_some_late_results_are_no_wrong_clock() -> None:
    assert feed(SourceSkew(), "lab", [2_000, 30 * HOUR_MS, 2_000, 4_000] * WINDOW) == []


def test_what_an_outage_has_held_back_is_no_wrong_clock() -> None:
    skew = SourceSkew()
    assert feed(skew, "monitor", [3 * HOUR_MS] * 500, every_ms=1_000) == []
    (clock,) = skew.clocks()
    assert clock.behind_ms == 3 * HOUR_MS
    assert feed(skew, "monitor", [1_000] * WINDOW) == []
    # It had been off a day ago, which counts no longer.
    again = feed(skew, "monitor", [3 * HOUR_MS] * 500, every_ms=1_000, from_ms=24 * HOUR_MS)
    assert again == []


def test_a_clock_that_was_set_right_is_off_no_longer() -> None:
    skew = SourceSkew()
    assert feed(skew, "lab", [5 * HOUR_MS] * WINDOW) == ["lab"]
    assert feed(skew, "lab", [0] * WINDOW) == []
    assert [(clock.is_off, clock.behind_ms) for clock in skew.clocks()] == [(False, 0)]


def test_cuts_of_batches_change_nothing() -> None:
    """Not even to names that some of their own patients keep from being shown."""
    draws = np.random.default_rng(4)
    n = 900
    behind = draws.integers(0, 3 * HOUR_MS, n)
    recorded = np.sort(draws.integers(0, 20 * HOUR_MS, n))
    names: list[object] = ["a", "b", "", None, 7, ["a"], "bed of p1"]
    sources = [names[i] for i in draws.integers(0, len(names), n)]
    patients = [f"p{i}" for i in draws.integers(1, 3, n)]
    sources[0], patients[0] = "bed of p1", "p1"
    whole, cut = SourceSkew(), SourceSkew()
    off = whole.take(sources, patients, recorded, recorded - behind)
    off_one_by_one = []
    for one in range(n):
        part = slice(one, one + 1)
        off_one_by_one += cut.take(
            sources[part], patients[part], recorded[part], (recorded - behind)[part]
        )
    assert [(c.name, c.behind_ms, c.is_off) for c in whole.clocks()] == [
        (c.name, c.behind_ms, c.is_off) for c in cut.clocks()
    ]
    assert sorted(c.name for c in off) == sorted(c.name for c in off_one_by_one)
    assert {c.name for c in whole.clocks()} == {"a", "b", "bed of p1"}


@pytest.mark.parametrize("source", [None, "", 7, True, ["lab"], {"name": "lab"}])
def test_what_is_no_name_is_no_source(source: object) -> None:
    skew = SourceSkew()
    assert feed(skew, source, [5 * HOUR_MS] * 100) == []
    assert skew.clocks() == []


@pytest.mark.parametrize("source", ["x" * 65, "lab\x1b[2J", "\u202elab", "bed of p1", "p1"])
def test_a_name_that_must_not_be_shown_is_another(source: str) -> None:
    assert feed(SourceSkew(), source, [5 * HOUR_MS] * WINDOW) == [OTHER]


def test_invented_sources_are_bounded() -> None:
    skew = SourceSkew()
    for number in range(500):
        feed(skew, f"device {number:03}", [0] * WINDOW)
    names = [clock.name for clock in skew.clocks()]
    assert names == [*(f"device {number:03}" for number in range(MOST_SOURCES)), OTHER]
