"""Unsent stays: those of a partition that the topic of states does not have as they are now.

Time is cut into turns, and each patient has one by a hash of the id. A changed stay is sent when
its turn comes, so once in a round of turns however often it changes, and no two rounds crowd.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import inf
from typing import Final
from zlib import crc32

from streamer.service.log_days import LogDays
from streamer.service.state_records import Mark

UNKNOWN: Final = -1
"""Instead of an offset: nobody knows since when the topic is behind this stay."""


class UnsentStays:
    """Patients of a partition whose stay has changed since it was last sent.

    Attributes:
        marked: what the last mark said; ``None`` before the first.
        marked_at: when that was, by the clock of `service.changelog`.
        has_sent: whether stays were sent since the last mark.
        days: of the log, from the take-over of the partition on.

    Args:
        n_turns: turns of a round; the first call of ``pass_to`` begins it.
        days: of the log, as far as they are known.
    """

    def __init__(self, n_turns: int, days: LogDays) -> None:
        self._since: dict[str, int] = {}
        self._of_turn: list[list[str]] = [[] for _ in range(n_turns)]
        self._due: list[str] = []
        self._at_once: list[str] = []
        self._turn: int | None = None
        self.marked: Mark | None = None
        self.marked_at = -inf
        self.has_sent = False
        self.days = days
        self._new_days: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._since)

    @property
    def floor(self) -> int | None:
        """The topic has every change before this offset; ``None`` if it has all of them."""
        return min(self._since.values(), default=None)

    @property
    def is_due(self) -> bool:
        """Whether some stay is to be sent now."""
        return bool(self._due or self._at_once)

    def note(self, patients: Iterable[str], offset: int) -> None:
        """Notes that these stays have changed by events from ``offset`` on."""
        for patient in patients:
            if patient not in self._since:
                self._since[patient] = offset
                self._wait(patient)

    def note_at_once(self, patients: Iterable[str], offset: int) -> None:
        """Notes stays that have begun or ended: the topic must know with the event that did it."""
        for patient in patients:
            self._since.setdefault(patient, offset)
            self._at_once.append(patient)

    def begin_day(self, offset: int, day: int) -> None:
        """Notes a day of the log: the topic must know it with the record that begins it."""
        if self.days.begin(offset, day):
            self._new_days.append((offset, day))

    def take_days(self) -> list[tuple[int, int]]:
        """Returns the days that the topic does not have, with the offset of their first record."""
        taken, self._new_days = self._new_days, []
        return taken

    def pass_to(self, turn: int) -> None:
        """Makes the stays due whose turn has come since the last call."""
        n_turns = len(self._of_turn)
        if self._turn is not None:
            for passed in range(max(self._turn + 1, turn - n_turns + 1), turn + 1):
                of_turn = self._of_turn[passed % n_turns]
                self._due += [patient for patient in of_turn if patient in self._since]
                of_turn.clear()
        self._turn = turn

    def all_due(self) -> None:
        """Makes every unsent stay due."""
        self._due, self._at_once = list(self._since), []
        for of_turn in self._of_turn:
            of_turn.clear()

    def take(self, most: int) -> list[str]:
        """Returns the stays to be sent now, all that have begun or ended and ``most`` others.

        Each is then ``sent`` or ``postpone``d.
        """
        taken = list(dict.fromkeys([*self._at_once, *self._due[:most]]))
        self._at_once, self._due = [], self._due[most:]
        self.has_sent |= bool(taken)
        return [patient for patient in taken if patient in self._since]

    def sent(self, patients: Iterable[str]) -> None:
        """Notes that these stays go out as they are now."""
        for patient in patients:
            self._since.pop(patient, None)

    def postpone(self, patients: Collection[str]) -> None:
        """Leaves stays that could not be sent for their next turn."""
        for patient in patients:
            self._wait(patient)

    def _wait(self, patient: str) -> None:
        self._of_turn[crc32(patient.encode()) % len(self._of_turn)].append(patient)
