"""What a service should have said and kept: the log, folded purely, against topics and Redis.

The fold knows nothing of batches, transactions, offsets or owners: it takes each partition's
records in the order of the log through the core and notes what the core makes of them. A service
has kept its promises if subscribers that read committed records see exactly that, once each and in
order, byte for byte, and if Redis holds exactly the stays that are left at the end.

Each partition is compared on its own, messages as digests: a million events need some tens of MB.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np

from bench.reading import read_partition, read_topic
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core import codec
from streamer.core.columns import decode
from streamer.core.dead_letters import REPLAYED_OF, TRACEPARENT
from streamer.core.messages import headers, rejected, write
from streamer.core.model import Model
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.service.bootstrap import state_store
from streamer.service.settings import Settings

KINDS: Final = ("risk", "alert", "rejected", "state")
_EXAMPLES: Final = 5  # of each kind of difference: enough to begin to look
_DIGEST_BYTES: Final = 8  # 64 bits: among a million messages an accident has odds of 1 in 10^13


class Said(NamedTuple):
    """One message, however long: what it is, the input record behind it, and its digest."""

    kind: str
    name: str
    offset: int
    digest: int


@dataclass(slots=True)
class Differences:
    """How what was found compares with what was expected, by count and with a few examples.

    Attributes:
        expected: how many there should be.
        missing: expected and not found.
        doubled: found again after the first time.
        different: found with other content.
        unexpected: found and not expected.
        disordered: found after one that comes later in the log.
    """

    expected: int = 0
    missing: int = 0
    doubled: int = 0
    different: int = 0
    unexpected: int = 0
    disordered: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All differences."""
        return self.missing + self.doubled + self.different + self.unexpected + self.disordered

    def note(self, what: str, name: str) -> None:
        """Counts one difference."""
        setattr(self, what, getattr(self, what) + 1)
        if sum(example.startswith(what) for example in self.examples) < _EXAMPLES:
            self.examples.append(f"{what}: {name}")

    def add(self, other: Differences) -> None:
        """Adds those of another partition."""
        for name in ("expected", "missing", "doubled", "different", "unexpected", "disordered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.examples += other.examples


class Fold:
    """The pure fold of one input partition.

    Args:
        model: the one that speaks.
        settings: topics, evaluation interval and future limit.
    """

    def __init__(self, model: Model, settings: Settings) -> None:
        self.table = StayTable(model.architecture)
        self._model = model
        self._settings = settings
        self._scorer = Scorer(model, self.table, settings.interval_ms, settings.forecast)

    def take(self, records: Sequence[Record]) -> Iterator[Said]:
        """Yields what the next records of the partition must make the service say."""
        columns = decode(records, self._settings.future_limit_ms)
        event_record = columns.record.tolist()
        outcome = self._scorer.score(columns, [records[i].partition for i in event_record])
        for rejection in outcome.rejections:
            record = records[rejection.record]
            yield said_rejected(*rejected(rejection, record, self._settings.topic_vitals))
        for message in write(outcome.assessments, event_record, records, self._model):
            told = headers(message, records[message.record])
            yield said(message.key, message.value(), told)

    def stays(self) -> dict[str, bytes]:
        """Returns the stays as they are now, in their stored form, by patient."""
        slots = np.array(sorted(self.table.slot_of.values()), np.intp)
        stored = codec.encode(self.table, slots, codec.Era(self._model.model_id))
        return dict(zip(self.table.names(slots.tolist()), stored, strict=True))


def said(key: bytes | None, value: bytes | None, told: Sequence[tuple[str, bytes]]) -> Said:
    """A risk or an alert; its CloudEvents id names the record behind it."""
    name = dict(told).get("ce_id", b"?").decode()
    kind, _, place = name.partition("/")
    offset = place.split("/")[1:2]
    return Said(kind, name, int(offset[0]) if offset else -1, _digest(key, value, told))


def said_rejected(
    key: bytes | None, value: bytes | None, told: Sequence[tuple[str, bytes]]
) -> Said:
    """A rejected event; its headers name the record that it was."""
    origin = dict(told)
    offset = int(origin.get("offset", b"-1"))
    name = f"rejected/{origin.get('partition', b'?').decode()}/{offset}"
    return Said("rejected", name, offset, _digest(key, value, told))


def judge(expected: Mapping[str, int], found: Iterable[Said]) -> Differences:
    """Compares messages of one partition and one kind, in the order in which they were found.

    Args:
        expected: digests by name.
        found: what subscribers see.
    """
    result = Differences(expected=len(expected))
    seen: set[str] = set()
    newest = -1
    for message in found:
        if message.name in seen:
            result.note("doubled", message.name)
            continue
        seen.add(message.name)
        if message.name not in expected:
            result.note("unexpected", message.name)
        elif message.digest != expected[message.name]:
            result.note("different", message.name)
        if message.offset < newest:
            result.note("disordered", message.name)
        newest = max(newest, message.offset)
    for name in expected.keys() - seen:
        result.note("missing", name)
    return result


def judge_stays(
    expected: Mapping[str, bytes], found: Mapping[str, bytes], model: Model
) -> Differences:
    """Compares the stays of one partition in their stored form; a difference names the fields."""
    result = Differences(expected=len(expected))
    for patient in sorted(expected.keys() - found.keys()):
        result.note("missing", patient)
    for patient in sorted(found.keys() - expected.keys()):
        result.note("unexpected", patient)
    for patient in sorted(expected.keys() & found.keys()):
        if expected[patient] != found[patient]:
            fields = _fields_that_differ(model, expected[patient], found[patient])
            result.note("different", f"{patient}: {fields}")
    return result


def compare(
    settings: Settings,
    model: Model | None = None,
    processes: int = 1,
    progress: Callable[[int], None] = lambda _partitions: None,
) -> dict[str, Differences]:
    """Compares everything that a group of services said and kept with the fold of its log.

    The services must be at the end of the log, and nothing must be on its way any more.

    Args:
        settings: theirs.
        model: theirs; the shipped one by default.
        processes: how many partitions are compared at the same time.
        progress: called with the number of partitions that are compared.

    Returns:
        The differences by kind: ``risk``, ``alert``, ``rejected``, ``state``.
    """
    model = model or build(bundle.load(bundle.SHIPPED))
    total = {kind: Differences() for kind in KINDS}
    rejected: dict[str, list[Said]] = {}
    for record in read_topic(settings, settings.topic_rejected):
        message = said_rejected(record.key, record.value, record.headers)
        rejected.setdefault(message.name.split("/")[1], []).append(message)
    numbers = range(settings.partitions)
    refused = [rejected.pop(str(partition), []) for partition in numbers]
    # Not forked: a copy of a process with threads may wait for a lock that nobody holds.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        each = map if processes == 1 else pool.map
        compared = each(partial(_compare_partition, settings, model), numbers, refused)
        for partition, found in enumerate(compared):
            progress(partition + 1)
            for kind, differences in found.items():
                total[kind].add(differences)
    for strays in rejected.values():  # of partitions that there are none of
        total["rejected"].add(judge({}, strays))
    return total


def table(found: Mapping[str, Differences]) -> str:
    """The differences as a table in Markdown."""
    lines = [
        "| | expected | missing | doubled | different | unexpected | out of order |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, of in found.items():
        counts = (of.expected, of.missing, of.doubled, of.different, of.unexpected, of.disordered)
        lines.append(f"| {kind} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    return "\n".join(lines)


def _compare_partition(
    settings: Settings, model: Model, partition: int, rejected: Sequence[Said]
) -> dict[str, Differences]:
    fold = Fold(model, settings)
    expected: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for records in read_partition(settings, settings.topic_vitals, partition):
        for message in fold.take([_record(record) for record in records]):
            if message.name in expected[message.kind]:
                raise ValueError(f"two messages of one name: {message.name}")
            expected[message.kind][message.name] = message.digest
    with contextlib.closing(state_store(settings)) as states:
        kept = {p: stay for page in states.pages(partition) for p, stay in page.items()}
    return {
        "risk": judge(expected["risk"], _found(settings, settings.topic_risk, partition)),
        "alert": judge(expected["alert"], _found(settings, settings.topic_alerts, partition)),
        "rejected": judge(expected["rejected"], rejected),
        "state": judge_stays(fold.stays(), kept, model),
    }


def _found(settings: Settings, topic: str, partition: int) -> Iterator[Said]:
    for records in read_partition(settings, topic, partition):
        for record in records:
            yield said(record.key, record.value, record.headers)


def _record(record: Any) -> Record:
    told = dict(record.headers)
    return Record(
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        told.get(TRACEPARENT),
        told.get(REPLAYED_OF),
    )


def _digest(key: bytes | None, value: bytes | None, told: Sequence[tuple[str, bytes]]) -> int:
    content = repr((key, value, list(told))).encode()
    return int.from_bytes(blake2b(content, digest_size=_DIGEST_BYTES).digest(), "big")


def _fields_that_differ(model: Model, expected: bytes, found: bytes) -> str:
    tables = [StayTable(model.architecture, capacity=1) for _ in range(2)]
    try:
        for table_, stored in zip(tables, (expected, found), strict=True):
            codec.decode(table_, 0, {"p": stored})
    except codec.CorruptState as error:
        return str(error)
    slots = [table_.slot_of["p"] for table_ in tables]
    names = [
        name
        for name in tables[0].fields
        if tables[0][name][slots[0]].tobytes() != tables[1][name][slots[1]].tobytes()
    ]
    return ", ".join(names) or "model, ward or bed"
