from __future__ import annotations

import numpy as np

from trainer.examples.next_number import AR, LAST, LINE, LSTM, MODELS, SCALED
from trainer.examples.number_sequences import BEYOND, KINDS, LENGTH, draw


def test_each_kind_follows_its_rule() -> None:
    numbers, kind = draw(400, np.random.default_rng(0))
    assert numbers.shape == (400, LENGTH)
    arithmetic, geometric, sums = (numbers[kind == k] for k in range(3))
    np.testing.assert_allclose(np.diff(arithmetic, 2, axis=1), 0, atol=1e-12)
    ratios = geometric[:, 1:] / geometric[:, :-1]
    np.testing.assert_allclose(ratios, np.broadcast_to(ratios[:, :1], ratios.shape))
    np.testing.assert_allclose(sums[:, 2:], sums[:, 1:-1] + sums[:, :-2])


def test_a_sine_is_one_but_for_its_noise() -> None:
    numbers, kind = draw(400, np.random.default_rng(0))
    for x in numbers[kind == KINDS.index("sine + noise")]:
        # Without noise x[t+1] + x[t-1] = 2 cos(w) x[t] for every t.
        left, middle = x[2:] + x[:-2], x[1:-1]
        slope = (left @ middle) / (middle @ middle)
        assert np.abs(left - slope * middle).max() < 1.0


def test_outside_is_the_same_but_larger() -> None:
    inside = draw(40, np.random.default_rng(1))[0]
    outside = draw(40, np.random.default_rng(1), BEYOND)[0]
    np.testing.assert_allclose(outside, BEYOND * inside)


def test_models_are_named_once() -> None:
    assert set(MODELS) == {LAST, LINE, AR, LSTM, SCALED}
    assert len(MODELS) == 5
