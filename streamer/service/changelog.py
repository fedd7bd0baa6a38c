"""Changelog: changed stays go to the topic of states, in the transactions that commit batches.

A store that is lost is restored from this topic (`service.restore`), not from the history of the
log. Each changed stay goes out once in ``states_s`` seconds, with the offset that is committed in
the same transaction; one that begins or ends, in the transaction that moves past that event: who
has a stay is known for every committed offset. So is the day of the log, by which stays expire. A
mark says below which offset every change is in the topic. So states, messages and offsets move
together, and any prefix of the topic is consistent by itself.

A new owner does not know what its predecessor has sent: it sends every stay of the partition in
the first round, and writes no mark before that. Until then the last mark holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress
from typing import Final

import numpy as np
import structlog

from streamer.core import codec, expiry
from streamer.core.codec import Era
from streamer.core.scoring import Scorer
from streamer.ports.log import Output
from streamer.ports.states import Fenced, StateStore, StoreUnavailable
from streamer.service import metrics
from streamer.service.batch import Result
from streamer.service.log_days import LogDays
from streamer.service.state_records import Mark, Origin, day_record, mark_record, stay_record
from streamer.service.stay_cache import StayCache
from streamer.service.takeover import Partition
from streamer.service.unsent import UNKNOWN, UnsentStays

_log = structlog.get_logger()

_MOST_TURNS: Final = 600
_MARKS_A_ROUND: Final = 10  # one a minute at the default of ten minutes
# Some 0.1 s of one core to encode, and 13 MB: more come with the batches that follow.
_MOST_STAYS: Final = 2_000


class Changelog:
    """What the topic of states is to know, and when.

    Args:
        topic: its name.
        states_s: seconds in which each changed stay is sent; 0: none ever is.
        store: has the stays that are not in memory.
        cache: has those that are.

    Attributes:
        clock: seconds that only rise; tests wind it.
    """

    def __init__(self, topic: str, states_s: float, store: StateStore, cache: StayCache) -> None:
        self._topic = topic
        self._states_s = states_s
        self._n_turns = min(_MOST_TURNS, max(1, round(states_s)))
        self._store = store
        self._cache = cache
        self.clock: Callable[[], float] = time.monotonic

    @property
    def is_on(self) -> bool:
        """Whether there is one."""
        return self._states_s > 0

    def begin(self, partition: Partition, unknown: Iterable[str]) -> None:
        """Begins with a partition that was just taken.

        Args:
            partition: the partition.
            unknown: patients of whom the topic may have something else than they are now.
        """
        if not self.is_on:
            return
        partition.unsent = UnsentStays(self._n_turns, self._days(partition))
        partition.unsent.note(unknown, UNKNOWN)

    def note(
        self,
        scorer: Scorer,
        patients: Sequence[str],
        starts: Mapping[int, int],
        owned: Mapping[int, Partition],
        result: Result,
    ) -> None:
        """Notes what a batch has changed, after it was scored and before its states are encoded.

        Args:
            scorer: has scored it.
            patients: those of its events. No event changes another patient's stay, unless that one
                expires.
            starts: the first offset of the batch, by partition.
            owned: the partitions of this process.
            result: which stays have begun and ended, and which days of the log have begun.
        """
        if not self.is_on:
            return
        table = scorer.table
        slots = np.array([table.slot_of.get(patient, -1) for patient in patients], np.intp)
        changed = (slots >= 0) & table.touched[slots]
        names, numbers = list(compress(patients, changed)), table.partitions[slots[changed]]
        for number, start in starts.items():
            unsent = owned[number].unsent
            if unsent is None:
                continue
            turned = [p for n, p in (*result.begun, *result.ended) if n == number]
            unsent.note_at_once(turned, start)
            unsent.note(compress(names, numbers == number), start)
        for number, offset, day in result.new_days:
            if (unsent := owned[number].unsent) is not None:
                unsent.begin_day(offset, day)

    def collect(self, owned: Mapping[int, Partition], offsets: Mapping[int, int]) -> list[Output]:
        """Returns the records that go out with these offsets; they count as sent.

        If the transaction fails, the partitions are taken again, and all is sent anew.

        Args:
            owned: the partitions of this process.
            offsets: what is committed, by partition: its stays in memory are there.
        """
        outputs: list[Output] = []
        for number, offset in offsets.items():
            partition = owned[number]
            if (unsent := partition.unsent) is None:
                continue
            unsent.pass_to(self._turn())
            taken = unsent.take(max(0, _MOST_STAYS - len(outputs)))
            if taken:
                outputs += self._stays(partition, unsent, taken, offset)
            origin = _origin(partition)
            outputs += [day_record(self._topic, origin, *begun) for begun in unsent.take_days()]
            outputs += self._mark(partition, unsent, offset)
        return outputs

    def idle(self, owned: Mapping[int, Partition]) -> dict[int, int]:
        """Returns the offsets of partitions that have something to send while nothing is read."""
        offsets = {}
        for number, partition in owned.items():
            unsent = partition.unsent
            if unsent is None or not partition.caught_up:
                continue
            unsent.pass_to(self._turn())
            if unsent.is_due or (unsent.has_sent and not unsent and self._may_mark(unsent)):
                offsets[number] = partition.position
        return offsets

    def complete(self, partition: Partition, era: Era) -> list[Output]:
        """Returns all that the topic lacks of the stays in memory, before another model takes over.

        So no event that the model before has stepped is ever replayed by the next one.

        Args:
            partition: one whose states are saved at the committed offset.
            era: the model that is to step the partition from there on.
        """
        if (unsent := partition.unsent) is None:
            return []
        unsent.all_due()
        taken, offset = unsent.take(len(unsent)), partition.position
        evicted = [p for p in taken if self._cache.evicted.partition_of(p) is not None]
        unsent.postpone(evicted)
        in_memory = set(taken).difference(evicted)
        outputs = self._stays(partition, unsent, [p for p in taken if p in in_memory], offset)
        if not unsent:
            outputs += self._note_mark(
                partition, unsent, Mark(offset, era, unsent.days.before(offset))
            )
        return outputs

    def _days(self, partition: Partition) -> LogDays:
        restored = partition.restored
        if restored is not None and restored.days is not None:
            return restored.days
        table = self._cache.scorers[partition.era.model_id].table
        return LogDays(partition.position - 1, expiry.clock(table, partition.number))

    def _turn(self) -> int:
        return int(self.clock() * self._n_turns / self._states_s)

    def _may_mark(self, unsent: UnsentStays) -> bool:
        return self.clock() - unsent.marked_at >= self._states_s / _MARKS_A_ROUND

    def _mark(self, partition: Partition, unsent: UnsentStays, offset: int) -> list[Output]:
        if not self._may_mark(unsent):
            return []
        floor = unsent.floor
        if floor == UNKNOWN:
            return []
        since = offset if floor is None else floor
        return self._note_mark(
            partition, unsent, Mark(since, partition.era, unsent.days.before(since))
        )

    def _note_mark(self, partition: Partition, unsent: UnsentStays, mark: Mark) -> list[Output]:
        """The record of a mark, none if the topic has it: who is idle has nothing to say."""
        unsent.has_sent = False
        if mark == unsent.marked:
            return []
        unsent.marked, unsent.marked_at = mark, self.clock()
        return [mark_record(self._topic, _origin(partition), mark)]

    def _stays(
        self, partition: Partition, unsent: UnsentStays, patients: Sequence[str], offset: int
    ) -> list[Output]:
        """The records of these patients; those who cannot be read now wait for their next turn."""
        number, evicted = partition.number, self._cache.evicted
        table = self._cache.scorers[partition.era.model_id].table
        stays: dict[str, bytes | None] = dict.fromkeys(patients)
        here = [p for p in patients if p in table.slot_of]
        slots = np.array([table.slot_of[p] for p in here], np.intp)
        is_own = table.partitions[slots] == number
        own, slots = list(compress(here, is_own)), slots[is_own]
        away = [p for p in patients if evicted.partition_of(p) == number]
        try:
            stays |= zip(own, codec.encode(table, slots, partition.era), strict=True)
        except Exception as error:  # the next save fails as well, and seeks the record to blame
            _log.error("stays not sent", partition=number, exception=type(error).__name__)
            stays = {p: stay for p, stay in stays.items() if p not in set(own)}
        if away:
            try:
                fetched = self._store.fetch(number, partition.epoch, partition.watermark, away)
            except (Fenced, StoreUnavailable):  # the next save says so
                fetched = {}
            stays = {p: stay for p, stay in stays.items() if p not in set(away)}
            stays.update(fetched)
        unsent.postpone([p for p in patients if p not in stays])
        unsent.sent(stays)
        metrics.STATES_SENT.inc(len(stays))
        metrics.STATES_SENT_BYTES.inc(sum(len(stay) for stay in stays.values() if stay))
        origin = _origin(partition)
        return [stay_record(self._topic, origin, p, stay, offset) for p, stay in stays.items()]


def _origin(partition: Partition) -> Origin:
    return Origin(partition.number, partition.log_id, partition.era)
