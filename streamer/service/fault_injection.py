"""Fault injection: ends or stops the process between two of its effects."""

from __future__ import annotations

import os
import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from streamer.ports.faults import Fault
from streamer.ports.states import Lease, StateStore, StateWrite
from streamer.service.faults import POINTS

ACTIONS: Final[Mapping[str, signal.Signals]] = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
"""Neither can be caught: no handler, no `finally`, no buffer that is still flushed."""

_AT: Final = re.compile(rf"({'|'.join(POINTS)})@([1-9]\d*):({'|'.join(ACTIONS)})")
_RANDOM: Final = re.compile(r"random:(\d+):(0(?:\.\d+)?|1(?:\.0+)?)")


def parse(text: str, strike: Callable[[str], None] | None = None) -> Fault:
    """Reads a fault: ``POINT@N:kill``, ``POINT@N:stop`` or ``random:SEED:PROBABILITY``.

    The first two strike at the Nth passing of the point; the last kills at each passing of any
    point with the given probability. Passings are counted from the start of the process.

    Args:
        text: the setting.
        strike: called with the action, for tests; the process sends itself a signal by default.

    Raises:
        ValueError: the text has none of these forms.
    """
    strike = strike or _strike
    if at := _AT.fullmatch(text):
        point, passing, action = at.groups()
        return _At(point, int(passing), action, strike)
    if chance := _RANDOM.fullmatch(text):
        return _Random(int(chance[1]), float(chance[2]), strike)
    raise ValueError(
        f"{text!r} is not a fault: use POINT@N:kill, POINT@N:stop or random:SEED:PROBABILITY, "
        f"with a POINT of {', '.join(POINTS)}"
    )


class InterruptedSaves:
    """A state store that saves one partition after the other and passes a point in between.

    The real one sends all partitions at once. When the process dies meanwhile only some of them may
    arrive, and a trial cannot choose which.
    """

    def __init__(self, states: StateStore, fault: Fault) -> None:
        self._states = states
        self._fault = fault

    def take(self, partition: int) -> Lease:
        """See ``StateStore``."""
        return self._states.take(partition)

    def first_width(self, log_id: str, n_partitions: int) -> int:
        """See ``StateStore``."""
        return self._states.first_width(log_id, n_partitions)

    def claim_partition(
        self,
        log_id: str,
        partition: int,
        epoch: int,
        patients: Sequence[str],
        *,
        are_new: bool = False,
    ) -> dict[str, int]:
        """See ``StateStore``."""
        return self._states.claim_partition(log_id, partition, epoch, patients, are_new=are_new)

    def complete_homes(self, log_id: str) -> None:
        """See ``StateStore``."""
        self._states.complete_homes(log_id)

    def pages(self, partition: int) -> Iterator[Mapping[str, bytes]]:
        """See ``StateStore``."""
        return self._states.pages(partition)

    def fetch(
        self, partition: int, epoch: int, watermark: int | None, patients: Sequence[str]
    ) -> dict[str, bytes]:
        """See ``StateStore``."""
        return self._states.fetch(partition, epoch, watermark, patients)

    def save(self, changes: Sequence[StateWrite]) -> None:
        """See ``StateStore``."""
        for i, change in enumerate(changes):
            if i:
                self._fault("between_saves")
            self._states.save([change])

    def find(self, patient: str, partitions: Sequence[int]) -> tuple[int, bytes] | None:
        """See ``StateStore``."""
        return self._states.find(patient, partitions)

    def close(self) -> None:
        """See ``StateStore``."""
        self._states.close()


class _At:
    def __init__(
        self, point: str, passing: int, action: str, strike: Callable[[str], None]
    ) -> None:
        self._point = point
        self._passing = passing
        self._action = action
        self._strike = strike
        self._passed: Counter[str] = Counter()

    def __call__(self, point: str) -> None:
        self._passed[point] += 1
        if point == self._point and self._passed[point] == self._passing:
            self._strike(self._action)


class _Random:
    def __init__(self, seed: int, probability: float, strike: Callable[[str], None]) -> None:
        self._draws = random.Random(seed)
        self._probability = probability
        self._strike = strike

    def __call__(self, point: str) -> None:
        del point
        if self._draws.random() < self._probability:
            self._strike("kill")


def _strike(action: str) -> None:
    os.kill(os.getpid(), ACTIONS[action])
