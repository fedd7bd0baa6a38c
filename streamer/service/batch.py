"""One batch, purely: records and owned partitions in, outputs and changed states out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.core import codec
from streamer.core.canary import is_canary_key
from streamer.core.columns import Columns
from streamer.core.expiry import NOT_NOTED, Days
from streamer.core.messages import COMMON_HEADERS, MessageKind, own_headers, rejected, write
from streamer.core.reasons import Loss, Reason, ValueProblem
from streamer.core.records import Records
from streamer.core.scored_batch import Outcome
from streamer.core.scoring import Scorer
from streamer.core.stay_notices import StayNotice
from streamer.ports.log import Output
from streamer.ports.states import StateWrite
from streamer.service import metrics
from streamer.service.metrics import Stage
from streamer.service.takeover import Partition

REJECTED_PARTITION: Final = 0  # the topic has one


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topic that is read, and of those that are written."""

    vitals: str
    alerts: str
    risk: str
    rejected: str
    stays: str
    outcomes: str
    states: str = "states"
    risk_canary: str = "risk.canary"
    alerts_canary: str = "alerts.canary"

    def of(self, kind: MessageKind, *, is_canary: bool = False) -> str | None:
        """The topic of a kind of message; ``None``: of a canary nobody hears it."""
        match kind:
            case "risk":
                return self.risk_canary if is_canary else self.risk
            case "alert":
                return self.alerts_canary if is_canary else self.alerts
            case "stay":
                return None if is_canary else self.stays
        return None if is_canary else self.outcomes


Milliseconds = NDArray[np.int64]


def _no_times() -> Milliseconds:
    return np.empty(0, np.int64)


@dataclass(slots=True)
class Result:
    """Outputs and counts of a batch, without the records that were replayed silently.

    Attributes:
        outputs: messages and rejected events, to be written in one transaction.
        rejected: rejected events by reason.
        problems: dropped values by reason.
        losses: the same by reason, variable and unit.
        alerts: alert messages by phase and severity; none of a canary.
        sources: ``n`` what sent each observation, see `Columns`; none of a canary.
        patients: ``n`` whose events they are; no canary.
        new_patients: patients of whom nothing was known, by partition.
        begun: partition and patient of each stay that has begun, of silent records as well; of
            canaries, each that has events.
        ended: the same of those that were let go.
        new_days: partition, offset and day of each record with which a day of the log begins.
        recorded_ms: ``(n,)`` timestamps of the same events' records, epoch milliseconds.
        measured_ms: ``(n,)`` times of the same events themselves, epoch milliseconds.
        n_risks: risk messages; none of a canary.
        n_late: observations of an hour that was closed already.
        n_redundant: observations that changed nothing.
        n_live: records that were scored with messages.
        n_silent: records that only changed states.
    """

    outputs: list[Output] = field(default_factory=list)
    rejected: Counter[Reason] = field(default_factory=Counter)
    problems: Counter[ValueProblem] = field(default_factory=Counter)
    losses: Counter[Loss] = field(default_factory=Counter)
    alerts: Counter[tuple[str, str]] = field(default_factory=Counter)
    sources: list[object] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    new_patients: Counter[int] = field(default_factory=Counter)
    begun: list[tuple[int, str]] = field(default_factory=list)
    ended: list[tuple[int, str]] = field(default_factory=list)
    new_days: list[tuple[int, int, int]] = field(default_factory=list)
    recorded_ms: Milliseconds = field(default_factory=_no_times)
    measured_ms: Milliseconds = field(default_factory=_no_times)
    n_risks: int = 0
    n_late: int = 0
    n_redundant: int = 0
    n_live: int = 0
    n_silent: int = 0


class ModelBatch(NamedTuple):
    """The part of a batch that one model scores.

    Attributes:
        records: as they were read.
        columns: the events in them.
        partitions: the input partition of each event.
        home_partitions: the home of each patient whose events came on another partition.
    """

    records: Records
    columns: Columns
    partitions: Sequence[int]
    home_partitions: Mapping[str, int]


def process(
    scorer: Scorer, batch: ModelBatch, owned: Mapping[int, Partition], topics: Topics
) -> Result:
    """Scores the part of a batch that belongs to a scorer's model; its table changes.

    Events that came on another partition than their patient's home are rejected. Records before
    their partition's ``silent_until`` change states and cause no message.

    Args:
        scorer: of the model that steps these partitions.
        batch: records and events.
        owned: the partitions of this process, by number.
        topics: names of the topics.
    """
    with metrics.STAGE.labels(Stage.SCORE).time():
        outcome = scorer.score(
            batch.columns, batch.partitions, batch.home_partitions, _noted_days(batch, owned)
        )
    with metrics.STAGE.labels(Stage.WRITE).time():
        return _result(scorer, batch, outcome, owned, topics)


def _noted_days(batch: ModelBatch, owned: Mapping[int, Partition]) -> Days | None:
    """The day of the log at each event that is replayed into stays of which some are ahead."""
    restored = {n: partition.restored for n, partition in owned.items() if partition.restored}
    if not restored:  # nearly always
        return None
    records = batch.columns.record
    numbers, offsets = batch.records.partition[records], batch.records.offset[records]
    noted = np.full(len(records), NOT_NOTED, np.int64)
    for number, replay in restored.items():
        if replay.days is not None:
            replayed = (numbers == number) & (offsets < replay.whole_from)
            noted[replayed] = replay.days.at(offsets[replayed])
    return noted


def _result(
    scorer: Scorer,
    batch: ModelBatch,
    outcome: Outcome,
    owned: Mapping[int, Partition],
    topics: Topics,
) -> Result:
    records, columns = batch.records, batch.columns
    is_live = np.zeros(len(records), np.bool_)
    for number in np.unique(records.partition).tolist():
        of_partition = records.partition == number
        is_live |= of_partition & (records.offset >= owned[number].silent_until)
    result = Result(n_live=int(is_live.sum()))
    result.n_silent = len(records) - result.n_live
    partitions = batch.partitions
    # Canaries are no newcomers, and their stays last for seconds: each event of theirs counts.
    begins = {*outcome.newcomers, *np.flatnonzero(columns.is_canary).tolist()}
    result.begun = [(partitions[event], columns.patients[event]) for event in sorted(begins)]
    result.ended = [
        (partitions[notice.event], notice.patient)
        for notice in outcome.notices
        if isinstance(notice, StayNotice) and notice.summary is None
    ]
    result.new_days = [
        (partitions[event], records.offset.item(columns.record.item(event)), day)
        for event, day in outcome.new_days
    ]
    messages = write(
        outcome,
        columns.record,
        records,
        scorer.model,
        scorer.table,
        has_risks=bool(result.n_live),  # what is replayed says nothing, and the stays keep no risk
    )
    if not result.n_live:
        return result
    if not result.n_silent:  # the scorer counts the whole batch: a mixed one stays uncounted
        result.problems, result.losses = outcome.problems, outcome.losses
        result.n_late, result.n_redundant = outcome.n_late, outcome.n_redundant
    is_live_event = is_live[columns.record]
    counted = is_live_event & ~columns.is_canary
    result.recorded_ms = columns.logged_ms[counted]
    result.measured_ms = columns.time_ms[counted]
    result.sources, result.patients = columns.sources, columns.patients
    if not counted.all():
        chosen = counted.tolist()
        result.sources = list(compress(columns.sources, chosen))
        result.patients = list(compress(columns.patients, chosen))
    result.new_patients.update(
        batch.partitions[event] for event in outcome.newcomers if is_live_event[event]
    )
    for rejection in outcome.rejections:
        if is_live[rejection.record]:
            result.rejected[rejection.reason] += 1
            dead_letter = rejected(rejection, records[rejection.record], topics.vitals)
            result.outputs.append(Output(topics.rejected, REJECTED_PARTITION, *dead_letter))
    if result.n_silent:
        messages = [message for message in messages if is_live[message.record]]
    topic_of = {
        (kind, is_canary): topics.of(kind, is_canary=is_canary)
        for kind in COMMON_HEADERS
        for is_canary in (False, True)
    }
    origins = records.origins([message.record for message in messages])
    for message, origin in zip(messages, origins, strict=True):
        kind, _, key, value, _, phase, severity = message
        is_canary = is_canary_key(key)
        topic = topic_of[kind, is_canary]
        if topic is None:
            continue
        if kind == "risk":
            result.n_risks += not is_canary
        elif kind == "alert" and not is_canary:
            result.alerts[phase, severity] += 1
        own = own_headers(message, origin)
        result.outputs.append(Output(topic, origin[0], key, value, own, COMMON_HEADERS[kind]))
    return result


def changed_states(scorer: Scorer, partitions: Sequence[Partition]) -> list[StateWrite]:
    """Collects the writes of partitions whose position moved; no stay of theirs stays touched.

    Args:
        scorer: of the model that steps all of these partitions.
        partitions: those that moved.

    Returns:
        One write for each partition, also where only its watermark changes.
    """
    table = scorer.table
    changed: dict[int, dict[str, bytes]] = {partition.number: {} for partition in partitions}
    for era in {partition.era for partition in partitions}:
        numbers = [partition.number for partition in partitions if partition.era == era]
        touched = np.flatnonzero(table.touched & np.isin(table.partitions, numbers))
        table.touched[touched] = False
        stay_partitions = table.partitions[touched].tolist()
        encoded = codec.encode(table, touched, era)
        for number, patient, stay in zip(
            stay_partitions, table.names(touched), encoded, strict=True
        ):
            changed[number][patient] = stay
    # A patient who was removed and came back within the batch has a new stay by now.
    return [
        partition.state_write(
            changed[partition.number],
            sorted(table.gone.pop(partition.number, set()) - table.slot_of.keys()),
        )
        for partition in partitions
    ]
