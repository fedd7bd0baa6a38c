"""The messages of a chaos run, judged by the oracle that shares nothing with the service."""

from __future__ import annotations

import json
import multiprocessing
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bench.broken_records import is_marked
from bench.independent_oracle.judge import Answer, Judge
from bench.independent_oracle.ledger import Record
from bench.independent_oracle.network import Bundle
from bench.reading import read_log, read_partition, read_topic
from streamer.core.alert_messages import Content
from streamer.service.settings import Settings

_SHARE_COMPUTED: Final = 16  # the risks of one patient in so many are computed again
_EXAMPLES: Final = 20


@dataclass(slots=True)
class Judgement:
    """What was judged and what is wrong, by kind, with examples."""

    checked: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, other: Judgement) -> None:
        """Adds the judgement of another partition."""
        self.checked.update(other.checked)
        self.faults.update(other.faults)
        self.examples = (self.examples + other.examples)[:_EXAMPLES]


def judge(
    settings: Settings, bundles: Mapping[str, Bundle], processes: int = 1, share: int = 0
) -> Judgement:
    """Judges all messages of a group of services that has come to the end of its log.

    Args:
        settings: of the services.
        bundles: every model that may have spoken, by id.
        processes: partitions judged at the same time.
        share: computes the risks of one patient in so many; by default of one in sixteen.
    """
    rejected: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for record in read_topic(settings, settings.topic_rejected):
        headers = {name: value.decode() for name, value in record.headers}
        rejected[int(headers["partition"])][int(headers["offset"])].append(headers["reason"])
    numbers = range(settings.partitions)
    reasons = [dict(rejected[number]) for number in numbers]
    one = partial(_judge_partition, settings, dict(bundles), share or _SHARE_COMPUTED)
    total = Judgement()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for judged in pool.map(one, numbers, reasons):
            total.add(judged)
    return total


def _judge_partition(
    settings: Settings,
    bundles: Mapping[str, Bundle],
    share: int,
    number: int,
    rejected: Mapping[int, list[str]],
) -> Judgement:
    answers: dict[int, Answer] = defaultdict(Answer)
    result = Judgement()
    for topic, attribute in ((settings.topic_risk, "risks"), (settings.topic_alerts, "alerts")):
        newest = -1
        for message in _messages(settings, topic, number):
            offset = int(message["offset"])
            result.faults["order"] += offset < newest
            newest = max(newest, offset)
            getattr(answers[offset], attribute).append(message)
    for offset, reasons in rejected.items():
        answers[offset].rejected += reasons
    interval_ms, limit_ms = settings.interval_ms, settings.future_limit_ms
    one = Judge(
        bundles, interval_ms, limit_ms, lambda patient: zlib.crc32(patient.encode()) % share == 0
    )
    for records in read_log(settings, number):
        for r in records:
            is_unreadable = is_marked(r.value or b"")
            record = Record(number, r.offset, r.timestamp_ms, r.key, r.value, is_unreadable)
            one.take(record, answers.pop(r.offset, Answer()))
    result.faults["behind no record"] += len(answers)
    result.faults.update(one.faults)
    result.faults = +result.faults
    result.checked, result.examples = one.checked, one.examples
    return result


def _messages(settings: Settings, topic: str, number: int) -> Iterable[Content]:
    for records in read_partition(settings, topic, number):
        for record in records:
            yield json.loads(record.value)


def table(judgement: Judgement) -> str:
    """The judgement as a table in Markdown."""
    kinds = sorted(judgement.checked.keys() | judgement.faults.keys())
    lines = ["| judged by the independent oracle | checked | wrong |", "|---|---|---|"]
    for kind in kinds:
        checked, wrong = judgement.checked[kind], judgement.faults[kind]
        lines.append(f"| {kind} | {checked:,} | {wrong:,} |")
    return "\n".join(lines)
