"""The oracle: a pure fold of the log, compared with the output topics and with Redis.

The fold knows nothing of batches, transactions, offsets or owners: it takes each partition's
records in the order of the log through the core and records the messages and stays that result. A
service has kept its promises if subscribers that read committed records see exactly these messages,
once each and in order, byte for byte, and if Redis holds exactly these stays at the end.

Each partition is compared on its own, messages by digest: a million events take some tens of MB.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np

from bench.reading import read_log, read_partition, read_topic
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core import codec
from streamer.core.canary import is_canary_key
from streamer.core.columns import decode
from streamer.core.messages import headers as headers_of
from streamer.core.messages import rejected, write
from streamer.core.model import Model
from streamer.core.records import Record, Records
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.service.bootstrap import state_store
from streamer.service.settings import Settings

KINDS: Final = (
    "risk", "alert", "stay", "verdict", "canary_risk", "canary_alert", "rejected", "state",
)  # fmt: skip
_OF_CANARIES: Final = {"risk": "canary_risk", "alert": "canary_alert"}  # others nobody hears
_EXAMPLES: Final = 5  # of each kind of difference: enough to begin to look
_DIGEST_BYTES: Final = 8  # 64 bits: among a million messages an accident has odds of 1 in 10^13


class MessageDigest(NamedTuple):
    """A message of any length: its kind, its name, the offset behind it, and its digest."""

    kind: str
    name: str
    offset: int
    digest: int


@dataclass(slots=True)
class Differences:
    """Differences between actual and expected messages or stays: counts and a few examples.

    Attributes:
        expected: the expected number.
        missing: expected, but absent.
        doubled: seen again after the first time.
        different: seen with other content.
        unexpected: seen, but not expected.
        disordered: seen after one that comes later in the log.
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
        """The number of all differences."""
        return self.missing + self.doubled + self.different + self.unexpected + self.disordered

    def count(self, kind: str, name: str) -> None:
        """Counts one difference; ``kind`` is the name of its field."""
        setattr(self, kind, getattr(self, kind) + 1)
        if sum(example.startswith(kind) for example in self.examples) < _EXAMPLES:
            self.examples.append(f"{kind}: {name}")

    def add(self, other: Differences) -> None:
        """Adds the differences of another partition."""
        for name in ("expected", "missing", "doubled", "different", "unexpected", "disordered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.examples += other.examples


class Fold:
    """The pure fold of one input partition.

    Args:
        model: the active model of the service.
        settings: topics, evaluation interval and future limit.
    """

    def __init__(self, model: Model, settings: Settings) -> None:
        self.table = StayTable(model.architecture, variables=model.variables)
        self._model = model
        self._settings = settings
        self._scorer = Scorer(
            model, self.table, settings.interval_ms, settings.forecast, settings.responses
        )

    def take(self, records: Sequence[Record]) -> Iterator[MessageDigest]:
        """Yields the messages that the service must write for the next records of the partition."""
        key = self._settings.lasting_secret("action_key")().encode()
        records = Records.of(records)
        columns = decode(
            records,
            self._settings.future_limit_ms,
            action_key=key,
            variables=self._model.variables,
        )
        outcome = self._scorer.score(columns, records.partition[columns.record].tolist())
        for rejection in outcome.rejections:
            record = records[rejection.record]
            yield rejected_digest(*rejected(rejection, record, self._settings.topic_vitals))
        for message in write(outcome, columns.record, records, self._model, self.table):
            record = records[message.record]
            if is_canary_key(message.key):
                if message.kind not in _OF_CANARIES:
                    continue
                digest = message_digest(message.key, message.value, headers_of(message, record))
                yield digest._replace(kind=_OF_CANARIES[message.kind])
                continue
            yield message_digest(message.key, message.value, headers_of(message, record))

    def stays(self) -> dict[str, bytes]:
        """The present stays in their stored form, by patient."""
        slots = np.array(sorted(self.table.slot_of.values()), np.intp)
        stored = codec.encode(self.table, slots, codec.Era(self._model.model_id))
        return dict(zip(self.table.names(slots), stored, strict=True))


def message_digest(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
) -> MessageDigest:
    """The digest of a risk or an alert; its CloudEvents id names the record behind it."""
    name = dict(headers).get("ce_id", b"?").decode()
    kind, _, position = name.partition("/")
    offset = position.split("/")[1:2]
    return MessageDigest(kind, name, int(offset[0]) if offset else -1, _digest(key, value, headers))


def rejected_digest(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
) -> MessageDigest:
    """The digest of a rejected event; its headers name the input record."""
    origin = dict(headers)
    offset = int(origin.get("offset", b"-1"))
    name = f"rejected/{origin.get('partition', b'?').decode()}/{offset}"
    return MessageDigest("rejected", name, offset, _digest(key, value, headers))


def compare_messages(expected: Mapping[str, int], messages: Iterable[MessageDigest]) -> Differences:
    """Compares messages of one partition and one kind, in the order of their topic.

    Args:
        expected: digests by name.
        messages: the messages that subscribers see.
    """
    result = Differences(expected=len(expected))
    seen: set[str] = set()
    newest = -1
    for message in messages:
        if message.name in seen:
            result.count("doubled", message.name)
            continue
        seen.add(message.name)
        if message.name not in expected:
            result.count("unexpected", message.name)
        elif message.digest != expected[message.name]:
            result.count("different", message.name)
        if message.offset < newest:
            result.count("disordered", message.name)
        newest = max(newest, message.offset)
    for name in expected.keys() - seen:
        result.count("missing", name)
    return result


def compare_stays(
    expected: Mapping[str, bytes], stored: Mapping[str, bytes], model: Model
) -> Differences:
    """Compares the stays of one partition in their stored form; a difference names the fields."""
    result = Differences(expected=len(expected))
    for patient in sorted(expected.keys() - stored.keys()):
        result.count("missing", patient)
    for patient in sorted(stored.keys() - expected.keys()):
        result.count("unexpected", patient)
    for patient in sorted(expected.keys() & stored.keys()):
        if expected[patient] != stored[patient]:
            fields = _fields_that_differ(model, expected[patient], stored[patient])
            result.count("different", f"{patient}: {fields}")
    return result


def compare(
    settings: Settings,
    model: Model | None = None,
    processes: int = 1,
    progress: Callable[[int], None] = lambda _partitions: None,
) -> dict[str, Differences]:
    """Compares all messages and stored stays of a group of services with the fold of its log.

    The services must be at the end of the log, without any open transaction.

    Args:
        settings: of the services.
        model: of the services; the shipped one by default.
        processes: partitions compared at the same time.
        progress: called with the number of partitions that are compared.

    Returns:
        The differences by kind, of ``KINDS``.
    """
    model = model or build(bundle.load(bundle.SHIPPED))
    total = {kind: Differences() for kind in KINDS}
    rejected: dict[str, list[MessageDigest]] = {}
    for record in read_topic(settings, settings.topic_rejected):
        message = rejected_digest(record.key, record.value, record.headers)
        rejected.setdefault(message.name.split("/")[1], []).append(message)
    numbers = range(settings.partitions)
    by_partition = [rejected.pop(str(partition), []) for partition in numbers]
    # Not forked: a forked copy of a process with threads may wait for ever for a lock.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        run = map if processes == 1 else pool.map
        compared = run(partial(_compare_partition, settings, model), numbers, by_partition)
        for partition, by_kind in enumerate(compared):
            progress(partition + 1)
            for kind, differences in by_kind.items():
                total[kind].add(differences)
    for strays in rejected.values():  # of partitions that do not exist
        total["rejected"].add(compare_messages({}, strays))
    return total


def table(by_kind: Mapping[str, Differences]) -> str:
    """The differences as a table in Markdown."""
    lines = [
        "| | expected | missing | doubled | different | unexpected | out of order |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, d in by_kind.items():
        counts = (d.expected, d.missing, d.doubled, d.different, d.unexpected, d.disordered)
        lines.append(f"| {kind} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    return "\n".join(lines)


def _compare_partition(
    settings: Settings, model: Model, partition: int, rejected: Sequence[MessageDigest]
) -> dict[str, Differences]:
    fold = Fold(model, settings)
    expected: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for records in read_log(settings, partition):
        for message in fold.take(records):
            if message.name in expected[message.kind]:
                raise ValueError(f"two messages have the name {message.name}; names must be unique")
            expected[message.kind][message.name] = message.digest
    with contextlib.closing(state_store(settings)) as states:
        kept = {p: stay for page in states.pages(partition) for p, stay in page.items()}
    topics = {
        "risk": settings.topic_risk,
        "alert": settings.topic_alerts,
        "stay": settings.topic_stays,
        "verdict": settings.topic_outcomes,
        "canary_risk": settings.topic_risk_canary,
        "canary_alert": settings.topic_alerts_canary,
    }
    return {
        **{
            kind: compare_messages(expected[kind], _read_digests(settings, topic, partition, kind))
            for kind, topic in topics.items()
        },
        "rejected": compare_messages(expected["rejected"], rejected),
        "state": compare_stays(fold.stays(), kept, model),
    }


def _read_digests(
    settings: Settings, topic: str, partition: int, kind: str
) -> Iterator[MessageDigest]:
    """The messages of a kind; a topic may have others, of feeds for one."""
    for records in read_partition(settings, topic, partition):
        for record in records:
            digest = message_digest(record.key, record.value, record.headers)
            if digest.kind == kind or kind != "verdict":
                yield digest


def _digest(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> int:
    content = repr((key, value, list(headers))).encode()
    return int.from_bytes(blake2b(content, digest_size=_DIGEST_BYTES).digest(), "big")


def _fields_that_differ(model: Model, expected: bytes, stored: bytes) -> str:
    tables = [
        StayTable(model.architecture, capacity=1, variables=model.variables) for _ in range(2)
    ]
    try:
        for table_, stay in zip(tables, (expected, stored), strict=True):
            codec.decode(table_, 0, {"p": stay})
    except codec.CorruptState as error:
        return str(error)
    slots = [table_.slot_of["p"] for table_ in tables]
    names = [
        name
        for name in tables[0].fields
        if tables[0][name][slots[0]].tobytes() != tables[1][name][slots[1]].tobytes()
    ]
    return ", ".join(names) or "model, ward or bed"
