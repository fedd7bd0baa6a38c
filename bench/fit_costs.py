"""Costs of a fit: seconds and peak memory of each part, beside what it said before it began.

Rounds and epochs take no memory of their own, so few of them show the memory of all. Stays are
drawn from the files, again and again under other ids where there are fewer.

    python -m bench.fit_costs --data A.parquet --data B.parquet --stays 30000 \\
        --set teacher_rounds=10 --set reading_epochs=1 --set epochs=1 --set forecast_epochs=1
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench import machine
from streamer.datasets.cohort import Cohort, Progress
from trainer.data.cohort import load_cohort
from trainer.fit import Stays, fit
from trainer.progress import Reporter
from trainer.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a fit: its name, its seconds, and the greatest memory up to its end."""

    name: str
    seconds: float
    peak_gb: float


@dataclass
class Watching(Reporter):
    """Notes what each part took; lines go to standard error as ever."""

    parts: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @contextmanager
    def follow(self, what: str) -> Iterator[Progress]:
        """See ``Reporter``."""
        began = time.monotonic()
        yield lambda _done, _total: None
        self.parts.append(Part(what, time.monotonic() - began, peak_gb()))


def peak_gb() -> float:
    """The greatest memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def drawn(cohort: Cohort, n: int) -> Cohort:
    """So many stays: each as often as the other, copies under ids of their own."""
    stays = np.arange(n) % len(cohort)
    chosen = cohort.take(stays)
    ids = [f"{patient}-{i // len(cohort)}" for i, patient in enumerate(chosen.patient_ids)]
    return replace(chosen, patient_ids=ids, persons=None, sites=None)


def main() -> int:
    """Fits, and prints a line a part."""
    parser = argparse.ArgumentParser(prog="python -m bench.fit_costs", description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--stays", type=int, default=30_000)
    parser.add_argument("--set", dest="knobs", action="append", default=[], metavar="KNOB=VALUE")
    options = parser.parse_args()
    recipe, wrong = Recipe().changed(options.knobs)
    if wrong:
        parser.error("; ".join(wrong))
    reporter, began = Watching(), time.monotonic()
    with reporter.follow("reading"):
        cohort = drawn(load_cohort(options.data), options.stays)
    with tempfile.TemporaryDirectory() as folder:
        fit(Stays(cohort), Path(folder), recipe, reporter=reporter, n_bootstrap=0)
    print(machine.describe())
    print(f"{len(cohort)} stays, {cohort.n_rows} hours, {' '.join(options.knobs)}")
    for part in reporter.parts:
        print(f"{part.name:18} {part.seconds:7.1f} s, peak so far {part.peak_gb:.2f} GB")
    print(f"{'all':18} {time.monotonic() - began:7.1f} s, peak {peak_gb():.2f} GB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
