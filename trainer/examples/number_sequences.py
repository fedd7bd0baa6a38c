"""Sequences of numbers that follow a rule, for ``trainer example next-number``."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KINDS: Final = ("arithmetic", "geometric", "Fibonacci-like", "sine + noise")
LENGTH: Final = 12  # numbers in a sequence
NOISE: Final = 0.1  # standard deviation, of the sine alone; the other rules are exact
BEYOND: Final = 5.0  # sequences outside the training range are this many times as large


def draw(n: int, draws: np.random.Generator, scale: float = 1.0) -> tuple[Floats, NDArray[np.int8]]:
    """Draws sequences of every kind.

    - arithmetic: ``x[t] = x[0] + d t``, x[0] in -5 to 5, d in -2 to 2;
    - geometric: ``x[t] = x[0] r^t``, x[0] in 1 to 5 or -5 to -1, r in 0.8 to 1.2;
    - Fibonacci-like: ``x[t] = x[t-1] + x[t-2]``, the first two in -0.25 to 0.25;
    - sine: ``a sin(w t + p)`` + noise, a in 2 to 10, a period of 5 to 15 steps, any phase p.

    Args:
        n: sequences.
        draws: random numbers.
        scale: factor of all numbers, noise included.

    Returns:
        (n, LENGTH) numbers and (n,) the index into ``KINDS``.
    """
    t = np.arange(LENGTH)
    kind = (np.arange(n) % len(KINDS)).astype(np.int8)
    start, slope = draws.uniform(-5, 5, n), draws.uniform(-2, 2, n)
    first = draws.uniform(1, 5, n) * draws.choice([-1, 1], n)
    ratio = draws.uniform(0.8, 1.2, n)
    two = draws.uniform(-0.25, 0.25, (n, 2))
    height, phase = draws.uniform(2, 10, n), draws.uniform(0, 2 * np.pi, n)
    step = 2 * np.pi / draws.uniform(5, 15, n)
    noise = draws.normal(0, NOISE, (n, LENGTH))
    by_kind = (
        start[:, None] + slope[:, None] * t,
        first[:, None] * ratio[:, None] ** t,
        _sums(two),
        height[:, None] * np.sin(step[:, None] * t + phase[:, None]) + noise,
    )
    return scale * np.stack(by_kind)[kind, np.arange(n)], kind


def _sums(two: Floats) -> Floats:
    numbers = [two[:, 0], two[:, 1]]
    while len(numbers) < LENGTH:
        numbers.append(numbers[-1] + numbers[-2])
    return np.stack(numbers, axis=1)
