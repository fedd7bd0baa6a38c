"""Dead letters: counts of rejected records, and their replay into the input topic, exactly once."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from streamer.adapters.chunks import chunks
from streamer.adapters.kafka.dead_letters import DeadLetterReplayer, RejectedOptions, RejectedTopic
from streamer.core.dead_letters import DeadLetter, Selection, Standing
from streamer.ports.faults import Fault
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics, replay_topics

# Bounds of one transaction: it is done within a second, however large the records are.
_MOST_RECORDS: Final = 500
_MOST_BYTES: Final = 8 * 1024 * 1024


@dataclass(slots=True)
class Group:
    """The rejected records of one reason.

    Attributes:
        standings: counts by what became of them.
        oldest_ms: when the first was rejected, epoch milliseconds.
        newest_ms: when the last was rejected, epoch milliseconds.
    """

    standings: Counter[Standing] = field(default_factory=Counter)
    oldest_ms: int = 0
    newest_ms: int = 0

    @property
    def n(self) -> int:
        """The number of records."""
        return self.standings.total()

    def add(self, rejected: DeadLetter, standing: Standing) -> None:
        """Counts one record."""
        self.oldest_ms = min(self.oldest_ms, rejected.time_ms) if self.n else rejected.time_ms
        self.newest_ms = max(self.newest_ms, rejected.time_ms)
        self.standings[standing] += 1


@dataclass(frozen=True, slots=True)
class Overview:
    """All selected records by reason, the most frequent first, and the newest of them."""

    groups: dict[str, Group]
    newest: list[tuple[DeadLetter, Standing]]


@dataclass(slots=True)
class Replay:
    """Counts of a replay, done or planned.

    Attributes:
        chosen: records that were, or would be, re-entered, by reason.
        left: selected records that are left alone, by what became of them before.
    """

    chosen: Counter[str] = field(default_factory=Counter)
    left: Counter[Standing] = field(default_factory=Counter)


def open_rejected_topic(settings: Settings, *, to_replay: bool = False) -> RejectedTopic:
    """Opens the rejected topic.

    Args:
        settings: how to reach Kafka, and the names.
        to_replay: creates the topics that a replay writes to; else nothing is written.

    Raises:
        LogUnavailable: no broker answers, or the topic is missing.
    """
    if to_replay:
        ensure_topics(settings, replay_topics(settings))
    options = RejectedOptions(
        settings.kafka_connection(),
        settings.topic_vitals,
        settings.topic_rejected,
        settings.topic_replayed,
    )
    return RejectedTopic(options)


def overview(topic: RejectedTopic, selection: Selection, limit: int) -> Overview:
    """Counts the selected records and keeps the ``limit`` newest.

    Raises:
        LogUnavailable: Kafka does not answer.
    """
    reentered = topic.reentered()
    groups: dict[str, Group] = {}
    newest: deque[tuple[DeadLetter, Standing]] = deque(maxlen=limit)
    for rejected in topic.records(selection.since_ms):
        if selection.chooses(rejected):
            standing = rejected.standing(reentered)
            groups.setdefault(rejected.reason, Group()).add(rejected, standing)
            newest.append((rejected, standing))
    by_size = sorted(groups.items(), key=lambda item: (-item[1].n, item[0]))
    return Overview(dict(by_size), list(newest)[::-1])


def plan(topic: RejectedTopic, selection: Selection, *, again: bool) -> Replay:
    """Counts the records that a replay would re-enter, and changes nothing.

    Raises:
        LogUnavailable: Kafka does not answer.
    """
    planned = Replay()
    for rejected in _waiting(topic, topic.reentered(), selection, again, planned):
        planned.chosen[rejected.reason] += 1
    return planned


def replay(
    topic: RejectedTopic,
    selection: Selection,
    done: Replay,
    *,
    again: bool = False,
    repartition: bool = False,
    progress: Callable[[], None] | None = None,
    fault: Fault | None = None,
) -> None:
    """Re-enters the selected records that are there now and were not re-entered before.

    1. take the transactional id: an earlier replay is ended and can write nothing any more;
    2. read the marks;
    3. one transaction for some hundred records, each with its mark.

    After a crash at any point a record is in the input topic with its mark, or not at all. A record
    that is rejected again is a new one, behind the end that is read here: there is no loop.

    Args:
        topic: the rejected topic.
        selection: the records.
        done: counted up, so that the caller knows the progress even when this raises.
        again: also those that were re-entered once and rejected again.
        repartition: see ``DeadLetterReplayer.replay``.
        progress: called after each transaction.
        fault: see ``DeadLetterReplayer``.

    Raises:
        LogUnavailable: Kafka does not answer.
        Interrupted: another replay has taken over, or the outcome of a transaction is unknown.
    """
    replayer = DeadLetterReplayer(topic.options, topic, fault)
    try:
        waiting = _waiting(topic, topic.reentered(), selection, again, done)
        for chunk in chunks(waiting, _value_bytes, _MOST_BYTES, _MOST_RECORDS):
            replayer.replay(chunk, repartition=repartition)
            done.chosen.update(rejected.reason for rejected in chunk)
            if progress is not None:
                progress()
    finally:
        replayer.close()


def _waiting(
    topic: RejectedTopic,
    reentered: dict[int, int],
    selection: Selection,
    again: bool,
    counts: Replay,
) -> Iterator[DeadLetter]:
    for rejected in topic.records(selection.since_ms):
        if not selection.chooses(rejected):
            continue
        standing = rejected.standing(reentered)
        if standing is Standing.WAITING or (again and standing is Standing.REFUSED_AGAIN):
            yield rejected
        else:
            counts.left[standing] += 1


def _value_bytes(rejected: DeadLetter) -> int:
    return len(rejected.value or b"")
