"""A division of the cores between the benchmark and the measured processes."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """A division of the machine.

    Attributes:
        bench: cores of Kafka, Redis and this program.
        measured: one for each measured process; empty where the machine is too small to divide.
    """

    bench: tuple[int, ...]
    measured: tuple[int, ...]

    def taskset(self, index: int) -> list[str]:
        """A command prefix that pins the measured process of this index to its core."""
        if index >= len(self.measured):
            return []
        return [str(shutil.which("taskset")), "-c", str(self.measured[index])]

    def describe(self) -> str:
        """A sentence for the reader of the figures."""
        if not self.measured:
            return "nothing pinned: Kafka, Redis and the measured process share all cores"
        return (
            f"each measured process pinned to one core, Kafka and Redis to {len(self.bench)} others"
        )


def divide() -> Cores:
    """Divides the cores; moves this process and the servers it will start to those of the bench."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 3 or shutil.which("taskset") is None:
        return Cores(tuple(cores), ())
    n_measured = 2 if len(cores) >= 4 else 1
    division = Cores(tuple(cores[:-n_measured]), tuple(cores[-n_measured:]))
    os.sched_setaffinity(0, division.bench)
    return division
