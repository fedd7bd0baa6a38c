"""Which cores measure and which are measured, so that neither is in the other's way."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """A division of the machine.

    Attributes:
        bench: for Kafka, Redis and this program.
        measured: one for each measured process; empty where the machine is too small to divide.
    """

    bench: tuple[int, ...]
    measured: tuple[int, ...]

    def taskset(self, place: int) -> list[str]:
        """What to put before a command so that it runs on the core of this place, and no other."""
        if place >= len(self.measured):
            return []
        return [str(shutil.which("taskset")), "-c", str(self.measured[place])]

    def describe(self) -> str:
        """A sentence for the reader of the figures."""
        if not self.measured:
            return "nothing pinned: Kafka, Redis and the measured process share all cores"
        return (
            f"each measured process pinned to one core, Kafka and Redis to {len(self.bench)} others"
        )


def divide() -> Cores:
    """Divides the cores and moves this process, and so all servers it starts, to its own."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 3 or shutil.which("taskset") is None:
        return Cores(tuple(cores), ())
    n_measured = 2 if len(cores) >= 4 else 1
    division = Cores(tuple(cores[:-n_measured]), tuple(cores[-n_measured:]))
    os.sched_setaffinity(0, division.bench)
    return division
