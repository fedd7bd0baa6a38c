"""Measured figures with 95 % intervals, and sentences about their differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.metrics.bootstrap import TAILS, resamples

Floats = NDArray[np.float64]

REPLICATES: Final = 500  # the ends of a 95 % interval are then known to some 5 % of its width


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval.

    >>> str(Estimate(0.75, 0.7, 0.8))
    '0.750 [0.700, 0.800]'
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(
    statistics: Callable[[Floats], Floats],
    n: int,
    seed: int,
    replicates: int = REPLICATES,
    progress: Progress | None = None,
) -> list[Estimate]:
    """Figures with 95 % percentile intervals, by resampling patients, who are independent.

    Figures that are compared must come from one call: each replicate draws the same patients for
    all of them.

    Args:
        statistics: from (n,) weights, by which each patient counts, to (K,) figures.
        n: patients.
        seed: random seed of the draws.
        replicates: of the bootstrap.
        progress: called with replicates done and replicates in all.
    """
    drawn = [statistics(weight) for weight in resamples(n, replicates, seed, progress)]
    low, high = np.nanquantile(np.array(drawn), TAILS, axis=0)
    values = statistics(np.ones(n))
    return [Estimate(*map(float, triple)) for triple in zip(values, low, high, strict=True)]


def verdicts(others: Mapping[str, Estimate]) -> str:
    """The verdicts that intervals of differences allow, as words; equal ones stand together.

    Args:
        others: by name of another model: the advantage over it of the model in question.

    >>> verdicts({"x": Estimate(0.1, -0.1, 0.3), "y": Estimate(0.2, 0.1, 0.3)})
    'is better than y; cannot be told apart from x'
    """
    kinds: dict[str, list[str]] = {
        "is better than": [],
        "is worse than": [],
        "cannot be told apart from": [],
    }
    for name, difference in others.items():
        if difference.low > 0:
            kinds["is better than"].append(name)
        elif difference.high < 0:
            kinds["is worse than"].append(name)
        else:
            kinds["cannot be told apart from"].append(name)
    return "; ".join(f"{words} {join_names(names)}" for words, names in kinds.items() if names)


def join_names(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> join_names(["a", "b", "c"]), join_names(["a"]), join_names([])
    ('a, b and c', 'a', 'none')
    """
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"
