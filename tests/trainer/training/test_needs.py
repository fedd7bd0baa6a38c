from __future__ import annotations

from dataclasses import replace

import pytest

from trainer.training.needs import BASE_GB, SPREAD, Needs, needs_of
from trainer.training.recipe import Recipe

RECIPE = Recipe()
FEW = replace(RECIPE, teacher_rounds=2, reading_epochs=1, epochs=1, forecast_epochs=1)


def test_memory_grows_with_the_hours() -> None:
    """Beyond the rows that LightGBM draws, more slowly."""
    steps = [50_000, 150_000, 1_000_000, 1_100_000]
    own = [needs_of(n, RECIPE).memory_gb - BASE_GB for n in steps]
    assert own[1] == pytest.approx(3 * own[0])
    assert own[3] - own[2] < 0.7 * (own[1] - own[0])


@pytest.mark.parametrize(
    ("n_hours", "measured_gb"),
    [(75_942, 1.44), (154_334, 2.03), (383_877, 3.48), (1_153_130, 6.76)],
)
def test_memory_is_what_was_measured(n_hours: int, measured_gb: float) -> None:
    """The factors were fitted to the first and the last of these, the others check them."""
    assert needs_of(n_hours, RECIPE).memory_gb == pytest.approx(measured_gb, rel=0.03)


@pytest.mark.parametrize(
    ("n_hours", "knobs", "measured_cpu_s"),
    [
        (75_942, (2, 1, 1, 1), 16.2),
        (383_877, (2, 1, 1, 1), 55.8),
        (1_153_130, (2, 1, 1, 1), 178.1),
        (154_334, (42, 3, 3, 2), 57.1),
    ],
)
def test_time_is_what_was_measured(
    n_hours: int, knobs: tuple[int, int, int, int], measured_cpu_s: float
) -> None:
    rounds, reading, epochs, forecast = knobs
    recipe = replace(
        RECIPE,
        teacher_rounds=rounds,
        reading_epochs=reading,
        epochs=epochs,
        forecast_epochs=forecast,
    )
    ratio = measured_cpu_s / needs_of(n_hours, recipe).seconds
    assert SPREAD[0] < ratio < SPREAD[1]


def test_the_widest_table_counts() -> None:
    without_windows = replace(RECIPE, teacher_windows=0)
    without_trees = replace(RECIPE, teacher_share=0.0)
    needs = [needs_of(1_000_000, each) for each in (RECIPE, without_windows, without_trees)]
    assert needs[0].memory_gb > needs[1].memory_gb > needs[2].memory_gb
    assert needs[0].seconds > needs[1].seconds > needs[2].seconds
    wide = replace(without_trees, encoder=1024)
    assert needs_of(1_000_000, wide).memory_gb > needs[2].memory_gb


def test_time_goes_with_hours_rounds_epochs_and_threads() -> None:
    one = needs_of(100_000, RECIPE).seconds
    assert needs_of(200_000, RECIPE).seconds == pytest.approx(2 * one)
    assert needs_of(100_000, replace(RECIPE, teacher_rounds=600)).seconds > 1.5 * one
    for knob in ("reading_epochs", "epochs", "forecast_epochs"):
        assert needs_of(100_000, RECIPE.changed([f"{knob}=20"])[0]).seconds > 1.02 * one
    by_threads = [needs_of(100_000, RECIPE, threads).seconds for threads in (1, 2, 8, 64)]
    assert by_threads[0] > by_threads[1] > by_threads[2] == by_threads[3]


def test_a_time_is_said_with_its_spread_where_it_is_worth_a_word() -> None:
    assert "takes" not in needs_of(15_000, FEW, 2).line()
    low, high = (round(10 * factor) for factor in SPREAD)
    assert f"; takes some {low} to {high} minutes with 2 threads" in Needs(1, 600, 2).line()
    assert "takes some 6.0 to 18.0 hours with 1 thread that" in Needs(1, 36_000, 1).line()


def test_a_machine_that_is_too_small_is_named() -> None:
    assert "this machine has" not in Needs(0.1).line()
    line = Needs(1e6).line()
    assert "needs some 1000000.0 GB of memory, and this machine has" in line
