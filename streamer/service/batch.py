"""One batch, purely: records and owned partitions in, outputs and changed states out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.core import codec
from streamer.core.columns import Columns, Record
from streamer.core.messages import headers, rejected, write
from streamer.core.model import Model
from streamer.core.rejections import Loss, Reason, ValueProblem
from streamer.core.scoring import Outcome, Scorer
from streamer.ports.log import Output
from streamer.ports.states import Save
from streamer.service import metrics
from streamer.service.metrics import Stage
from streamer.service.takeover import Partition

_REJECTED_PARTITION: Final = 0  # the topic has one


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topics that are written, and of the one that is read."""

    vitals: str
    alerts: str
    risk: str
    rejected: str


Milliseconds = NDArray[np.int64]


def _no_times() -> Milliseconds:
    return np.empty(0, np.int64)


@dataclass(slots=True)
class Result:
    """What a batch came to, without what was replayed silently.

    ``alerts`` counts by phase and severity; ``recorded_ms`` and ``measured_ms`` are the times of
    the events' records and of the events themselves.
    """

    outputs: list[Output] = field(default_factory=list)
    rejected: Counter[Reason] = field(default_factory=Counter)
    problems: Counter[ValueProblem] = field(default_factory=Counter)
    losses: Counter[Loss] = field(default_factory=Counter)
    alerts: Counter[tuple[str, str]] = field(default_factory=Counter)
    recorded_ms: Milliseconds = field(default_factory=_no_times)
    measured_ms: Milliseconds = field(default_factory=_no_times)
    n_risks: int = 0
    n_late: int = 0
    n_redundant: int = 0
    n_live: int = 0
    n_silent: int = 0


class Share(NamedTuple):
    """What a batch has for one model.

    Attributes:
        records: as they were read.
        columns: the events in them.
        places: the input partition of each event.
        homes: the partition on which patients live who are not where their events came.
    """

    records: Sequence[Record]
    columns: Columns
    places: Sequence[int]
    homes: Mapping[str, int]


def process(
    scorer: Scorer, share: Share, partitions: Mapping[int, Partition], topics: Topics
) -> Result:
    """Scores what a batch has for a scorer's model; its table changes.

    Events of patients who live on another partition are refused. Records before their partition's
    ``silent_until`` change states and say nothing.
    """
    with metrics.STAGE.labels(Stage.SCORE).time():
        outcome = scorer.score(share.columns, share.places, share.homes)
    with metrics.STAGE.labels(Stage.WRITE).time():
        return _result(scorer.model, share, outcome, partitions, topics)


def _result(
    model: Model,
    share: Share,
    outcome: Outcome,
    partitions: Mapping[int, Partition],
    topics: Topics,
) -> Result:
    records, columns = share.records, share.columns
    live = [record.offset >= partitions[record.partition].silent_until for record in records]
    result = Result(n_live=sum(live))
    result.n_silent = len(records) - result.n_live
    if not result.n_live:
        return result
    if not result.n_silent:  # of a batch that straddles the line these stay uncounted
        result.problems, result.losses = outcome.problems, columns.losses
        result.n_late, result.n_redundant = outcome.n_late, outcome.n_redundant
    told = np.array(live)[columns.record]
    result.recorded_ms, result.measured_ms = columns.logged_ms[told], columns.time_ms[told]
    for rejection in outcome.rejections:
        if live[rejection.record]:
            result.rejected[rejection.reason] += 1
            record = records[rejection.record]
            said = rejected(rejection, record, topics.vitals)
            result.outputs.append(Output(topics.rejected, _REJECTED_PARTITION, *said))
    for message in write(outcome.assessments, columns.record.tolist(), records, model):
        if not live[message.record]:
            continue
        record = records[message.record]
        if message.kind == "risk":
            result.n_risks += 1
        else:
            result.alerts[message.content["phase"], message.content["severity"]] += 1
        result.outputs.append(
            Output(
                topics.risk if message.kind == "risk" else topics.alerts,
                record.partition,
                message.key,
                message.value(),
                headers(message, record),
            )
        )
    return result


def changed_states(scorer: Scorer, partitions: Sequence[Partition]) -> list[Save]:
    """Collects what has to be saved of partitions whose position moved; nothing stays touched."""
    table = scorer.table
    changed: dict[int, dict[str, bytes]] = {partition.number: {} for partition in partitions}
    for era in {partition.era for partition in partitions}:
        numbers = [partition.number for partition in partitions if partition.era == era]
        touched = np.flatnonzero(table.touched & np.isin(table.partitions, numbers))
        table.touched[touched] = False
        places = table.partitions[touched].tolist()
        stored = codec.encode(table, touched, era)
        for number, patient, stay in zip(places, table.names(touched), stored, strict=True):
            changed[number][patient] = stay
    # Whoever was let go and came back within the batch has a new stay by now.
    return [
        partition.save(
            changed[partition.number],
            sorted(table.gone.pop(partition.number, set()) - table.slot_of.keys()),
        )
        for partition in partitions
    ]
