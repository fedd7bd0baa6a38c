"""A lane of faults: one target, one thread, one fault after the other, drawn from a seed."""

from __future__ import annotations

import itertools
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from bench.chaos.tally import Tally


def deck(seed: int, target: str, kinds: Sequence[str], start: float = 0.0) -> Iterator[str]:
    """Yields kinds for ever, each as often as it is listed before any comes again.

    Args:
        seed: equal ones yield equal sequences.
        target: the target of the faults; each has a sequence of its own.
        kinds: the faults in the deck.
        start: where to begin in the shuffled deck, as a share of it: lanes that share a deck differ
            from the first fault on.
    """
    cards = list(kinds)
    random.Random(f"{seed}/{target}").shuffle(cards)
    return itertools.islice(itertools.cycle(cards), int(start * len(cards)), None)


class FaultLane(ABC, threading.Thread):
    """Faults of one target, in sequence, until ``stopping`` is set.

    A fault is repaired before the next begins, and before the lane ends; there is one at least.
    Lanes of other targets run at the same time, so faults of several targets meet.

    Attributes:
        error: the error that ended the lane too early; ``None`` in a good run.
    """

    def __init__(
        self, name: str, seed: int, cards: Iterator[str], rest_s: tuple[float, float], tally: Tally
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.error: BaseException | None = None
        self.stopping = threading.Event()
        self.draws = random.Random(f"{seed}/{name}/times")
        self.tally = tally
        self._cards = cards
        self._rest_s = rest_s

    def run(self) -> None:
        """Rests and strikes in turns."""
        try:
            struck = False
            while not self.stopping.wait(self.draws.uniform(*self._rest_s)) or not struck:
                kind = self.strike(next(self._cards))
                if kind is not None:
                    self.tally.note(kind)
                struck = True
        except BaseException as error:
            self.error = error

    @abstractmethod
    def strike(self, kind: str) -> str | None:
        """Causes a fault and repairs it; returns the fault that really happened, or ``None``."""
