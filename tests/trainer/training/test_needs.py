from __future__ import annotations

from dataclasses import replace

import pytest

from trainer.training.needs import BASE_GB, Needs, needs_of
from trainer.training.recipe import Recipe

RECIPE = Recipe()


def test_memory_grows_with_the_hours() -> None:
    small, large = (needs_of(n, RECIPE).memory_gb - BASE_GB for n in (100_000, 1_000_000))
    assert large == pytest.approx(10 * small)


def test_it_is_what_was_measured() -> None:
    assert needs_of(15_300, RECIPE).memory_gb == pytest.approx(0.96, abs=0.1)
    assert needs_of(150_000, RECIPE).memory_gb == pytest.approx(2.0, abs=0.1)


def test_the_widest_table_counts() -> None:
    without_windows = replace(RECIPE, teacher_windows=0)
    without_trees = replace(RECIPE, teacher_share=0.0)
    needs = [needs_of(1_000_000, each) for each in (RECIPE, without_windows, without_trees)]
    assert needs[0].memory_gb > needs[1].memory_gb > needs[2].memory_gb
    wide = replace(without_trees, encoder=1024)
    assert needs_of(1_000_000, wide).memory_gb > needs[2].memory_gb


def test_a_machine_that_is_too_small_is_named() -> None:
    assert "this machine has" not in Needs(0.1).line()
    line = Needs(1e6).line()
    assert "needs some 1000000.0 GB of memory, and this machine has" in line
