from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.scored_stays import random_scored
from trainer.metrics.bootstrap import intervals, paired_intervals, replicates
from trainer.metrics.definitions import METRICS, Measure, Scored


def noisier(scored: Scored, spread: float) -> Scored:
    noise = np.random.default_rng(3).normal(0, spread, len(scored.risk))
    risk = 1 / (1 + np.exp(-(np.log(scored.risk / (1 - scored.risk)) + noise)))
    return replace(scored, risk=risk, positive=risk > 0.1)


def test_the_seed_alone_decides_the_replicates() -> None:
    measure = Measure(random_scored(1, 60))
    first = replicates([measure], 20, seed=5)
    np.testing.assert_array_equal(replicates([measure], 20, seed=5), first)
    assert (replicates([measure], 20, seed=6) != first).any()


def test_replicates_are_figures_of_resampled_stays() -> None:
    scored = random_scored(2, 50)
    drawn = np.random.default_rng(9).integers(50, size=50)
    expected = Measure(scored.take(drawn)).figures()
    replicate = dict(zip(METRICS, replicates([Measure(scored)], 1, seed=9)[0, 0], strict=True))
    for name in set(METRICS) - {"ece"}:  # its bins are those of the whole set
        # Sums of a thousand doubles in another order; the line as far as Newton takes it.
        close = 1e-7 if name.startswith("calibration") else 1e-12
        assert replicate[name] == pytest.approx(expected[name], rel=0, abs=close), name


@pytest.mark.parametrize("n_stays", [60, 400])
def test_the_calibration_line_of_a_replicate_is_its_own_fit(n_stays: int) -> None:
    scored = random_scored(3, n_stays)
    column = METRICS.index("calibration_slope")
    quick = replicates([Measure(scored)], 60, seed=1)[0, :, column]
    draws = np.random.default_rng(1)
    full = [
        Measure(scored.take(draws.integers(n_stays, size=n_stays))).figures()["calibration_slope"]
        for _ in range(60)
    ]
    # Newton's method stops at a step of 1e-5, which it squares.
    np.testing.assert_allclose(quick, full, rtol=0, atol=1e-7)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = Measure(random_scored(100, 6000)).figures()
    draws = np.random.default_rng(0)
    whole = random_scored(100, 6000)
    held = dict.fromkeys(("utility", "auroc", "patient_auroc", "brier"), 0)
    for seed in range(40):
        sample = whole.take(draws.integers(6000, size=200))
        for name, (low, high) in intervals(Measure(sample), 100, seed).items():
            if name in held:
                held[name] += low <= truth[name] <= high
    # Binomial(40, 0.95) is below 33 once in 1,500; percentile intervals of 200 stays run short.
    assert min(held.values()) >= 33, held


def test_pairing_tells_apart_what_single_intervals_cannot() -> None:
    scored = random_scored(4, 200)
    better, worse = Measure(scored), Measure(noisier(scored, 0.5))
    low, high = paired_intervals(better, worse, 200)["auroc"]
    assert 0 < low < high
    assert intervals(better, 200)["auroc"][0] < intervals(worse, 200)["auroc"][1]
    assert paired_intervals(better, better, 20)["utility"] == (0, 0)


def test_models_measured_on_other_stays_are_refused() -> None:
    with pytest.raises(ValueError, match="same stays"):
        paired_intervals(Measure(random_scored(5, 50)), Measure(random_scored(5, 51)), 10)


def test_progress_counts_replicates() -> None:
    seen: list[tuple[int, int]] = []
    intervals(
        Measure(random_scored(6, 30)), 3, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_all_stays_of_a_person_are_drawn_together() -> None:
    once = random_scored(7, 60)
    twice = replace(once.take(np.tile(np.arange(60), 2)), owners=[*once.patient_ids] * 2)
    names = ("utility", "auroc", "brier", "alert_sensitivity")
    apart = replace(twice, owners=[f"{i}" for i in range(120)])
    of_once, of_persons, of_stays = (
        replicates([Measure(scored)], 200, names=names)[0] for scored in (once, twice, apart)
    )
    # A person who was written down twice says no more than once; taken for two, by a root of two.
    np.testing.assert_allclose(of_persons, of_once, rtol=0, atol=1e-12)
    assert (of_stays.std(axis=0) < 0.85 * of_persons.std(axis=0)).all()
    two = np.array([1, 61])
    assert twice.take(two).owners == [once.patient_ids[1]] * 2
