"""The pause around a swap is the longest gap from the publication on."""

from __future__ import annotations

import pytest

from bench.swap_pause import pause_of

RISKS = [(0.0, "a"), (0.1, "a"), (0.3, "a"), (1.0, "a"), (1.5, "b"), (1.6, "b")]


def test_gaps_before_and_from_the_publication_on_are_told_apart() -> None:
    pause = pause_of(RISKS, 0.5, "b")
    assert [pause.before_ms, pause.swap_ms, pause.first_ms] == pytest.approx([200, 700, 1000])


def test_without_the_new_model_there_is_no_swap() -> None:
    with pytest.raises(StopIteration):
        pause_of(RISKS, 0.5, "c")
