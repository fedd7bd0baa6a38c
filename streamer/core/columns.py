"""A batch of events as columns: times, kinds and values are arrays, and only ids are objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.actions import is_signed
from streamer.core.canary import is_canary
from streamer.core.cleaning import clean_cells
from streamer.core.events import NEEDS_STAY, EventRejected, Fields, Kind, parse
from streamer.core.observations import Observation, observation_of, read_plain
from streamer.core.reasons import Loss, Reason, Rejection, ValueProblem, by_problem
from streamer.core.records import Record, Records
from streamer.core.time import PLAUSIBLE_MS
from streamer.core.variables import BUILT_IN, UNKNOWN, VariableTable, to_canonical

_OBSERVATION: Final = Kind.OBSERVATION
_ACTION: Final = Kind.ACTION


@dataclass(slots=True)
class Columns:
    """The good events of a batch, ``E`` of them, and their measured values, ``C`` of them.

    Attributes:
        record: ``(E,)`` which record of the batch each event came from; rises.
        patients: ``E`` patient ids.
        time_ms: ``(E,)`` event time.
        logged_ms: ``(E,)`` timestamp of its record.
        kind: ``(E,)`` a ``Kind``.
        details: the fields of the events that are no observation, by event.
        cell_start: ``(E + 1,)`` the values of event ``e`` are ``cell_start[e]:cell_start[e + 1]``.
        variable: ``(C,)`` indices into ``variables``.
        value: ``(C,)`` cleaned values; NaN where one is withdrawn.
        rank: ``(C,)`` of each value among those of its moment, see `timeline`.
        rejections: the records that are no good events.
        losses: how many values were dropped or are not what was sent, and which.
        sources: ``E`` `source` fields of observations as they came; ``None`` of other events.
        variables: that they were read by; others are unknown.
        distinct: ``P`` patients, each once: what is asked of a patient is looked up once a batch.
        whose: ``(E,)`` which of them each event is of.
        needs_stay: ``(E,)`` whether it is of a kind that begins no stay.
        is_canary: ``(E,)`` whether its patient is invented.
    """

    record: NDArray[np.intp]
    patients: list[str]
    time_ms: NDArray[np.int64]
    logged_ms: NDArray[np.int64]
    kind: NDArray[np.uint8]
    details: dict[int, Fields]
    cell_start: NDArray[np.intp]
    variable: NDArray[np.int16]
    value: NDArray[np.float32]
    rank: NDArray[np.uint16]
    rejections: list[Rejection] = field(default_factory=list)
    losses: Counter[Loss] = field(default_factory=Counter)
    sources: list[object] = field(default_factory=list)
    variables: VariableTable = BUILT_IN
    distinct: list[str] = field(init=False)
    whose: NDArray[np.intp] = field(init=False)
    needs_stay: NDArray[np.bool_] = field(init=False)
    is_canary: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        numbers = {patient: i for i, patient in enumerate(dict.fromkeys(self.patients))}
        self.distinct = list(numbers)
        self.whose = np.fromiter(
            map(numbers.__getitem__, self.patients), np.intp, len(self.patients)
        )
        self.needs_stay = np.isin(self.kind, NEEDS_STAY)
        invented = np.fromiter(map(is_canary, self.distinct), np.bool_, len(self.distinct))
        self.is_canary = invented[self.whose]

    @property
    def problems(self) -> Counter[ValueProblem]:
        """How many values were dropped or are not what was sent, by reason."""
        return by_problem(self.losses)

    def cells_of(self, events: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Returns the indices of all values of ``events``, and which of ``events`` each is of."""
        counts = self.cell_start[events + 1] - self.cell_start[events]
        owner = np.repeat(np.arange(len(events)), counts)
        first = np.repeat(self.cell_start[events] - (np.cumsum(counts) - counts), counts)
        return first + np.arange(len(owner)), owner


@dataclass(frozen=True, slots=True)
class PlainCells:
    """Values of events that name no unit and withdraw nothing, ``C`` of them, events rising.

    What is kept as a table has them as columns, so that no dictionary of an event is made.

    Attributes:
        event: ``(C,)`` which event each value is of; the event itself has an empty ``values``.
        variable: ``(C,)`` index of its variable.
        value: ``(C,)`` as charted, never NaN.
    """

    event: NDArray[np.intp]
    variable: NDArray[np.int16]
    value: NDArray[np.float64]


@dataclass(slots=True)
class Parsed:
    """The good events of a batch as they came, ``E`` of them; no value is judged yet.

    Attributes:
        events: ``E`` events; one that is no observation has measured nothing.
        record: ``(E,)`` which record of the batch each event came from; rises.
        time_ms: ``(E,)`` event time.
        logged_ms: ``(E,)`` timestamp of its record.
        kind: ``(E,)`` a ``Kind``.
        details: the fields of the events that are no observation, by event.
        rejections: the records that are no good events.
        losses: values that are no numbers.
        cells: values of those events whose ``values`` are empty, if they are kept apart.
    """

    events: list[Observation]
    record: NDArray[np.intp]
    time_ms: NDArray[np.int64]
    logged_ms: NDArray[np.int64]
    kind: NDArray[np.uint8]
    details: dict[int, Fields]
    rejections: list[Rejection] = field(default_factory=list)
    losses: Counter[Loss] = field(default_factory=Counter)
    cells: PlainCells | None = None


Reader = Callable[
    [Sequence[bytes | None], Sequence[bytes | None]],
    tuple[list[Observation | None], NDArray[np.int64]],
]


def decode(
    records: Iterable[Record],
    future_limit_ms: int | None,
    read: Reader = read_plain,
    action_key: bytes = b"",
    variables: VariableTable = BUILT_IN,
) -> Columns:
    """Decodes records to columns: `parse_records`, then `to_columns`."""
    return to_columns(
        parse_records(records, future_limit_ms, read, action_key, variables), variables
    )


def parse_records(
    records: Iterable[Record],
    future_limit_ms: int | None,
    read: Reader = read_plain,
    action_key: bytes = b"",
    variables: VariableTable = BUILT_IN,
) -> Parsed:
    """Reads records as events, or as rejections.

    Args:
        records: in the order of the log, of any partitions.
        future_limit_ms: an event this much later than its record's timestamp is refused; ``None``
            turns the check off.
        read: reads the plain observations; what it leaves out is parsed one by one.
        action_key: refuses actions that are not signed with it, unless it is empty.
        variables: a value of one that is no number is counted as lost.
    """
    log = Records.of(records)
    events, time_ms = read(log.values, log.keys)
    logged_ms = log.timestamp_ms
    kind = np.zeros(len(log), np.uint8)  # observations
    details: dict[int, Fields] = {}
    rejections: list[Rejection] = []
    losses: Counter[Loss] = Counter()
    for i in [i for i, event in enumerate(events) if event is None]:
        try:
            parsed = parse(log.values[i], log.keys[i], variables)
            if action_key and parsed["kind"] is _ACTION:
                _check_signature(action_key, log.values[i], log.action_macs[i])
        except EventRejected as rejected:
            if i in log.unreadable:
                rejections.append(Rejection(i, Reason.UNREADABLE, log.unreadable[i]))
            else:
                rejections.append(Rejection(i, rejected.reason, rejected.detail))
            continue
        time_ms[i], kind[i] = parsed["time_ms"], parsed["kind"]
        if parsed["kind"] is not _OBSERVATION:
            details[i] = parsed["fields"]
        events[i] = observation_of(parsed)
        losses.update(parsed["losses"])

    out_of_time = _wrong_clocks(time_ms, logged_ms, future_limit_ms)
    for i, rejection in out_of_time.items():
        if events[i] is not None:
            rejections.append(rejection)
            events[i] = None
            details.pop(i, None)
    if out_of_time:
        rejections.sort(key=lambda rejection: rejection.record)

    good = [event for event in events if event is not None]
    record = np.arange(len(log))
    if rejections:
        record = np.flatnonzero([event is not None for event in events])
        time_ms, logged_ms, kind = time_ms[record], logged_ms[record], kind[record]
        details = {int(np.searchsorted(record, i)): fields for i, fields in details.items()}
    return Parsed(good, record, time_ms, logged_ms, kind, details, rejections, losses)


def without_canaries(parsed: Parsed) -> Parsed:
    """Refuses the events of canaries as test data: what is learned from must be of patients."""
    is_invented = [is_canary(event.patient_id) for event in parsed.events]
    if not any(is_invented):
        return parsed
    kept = np.flatnonzero(~np.array(is_invented))
    index = {event: i for i, event in enumerate(kept.tolist())}
    refused = [
        Rejection(record, Reason.TEST_DATA, "of a canary")
        for record in compress(parsed.record.tolist(), is_invented)
    ]
    return Parsed(
        [parsed.events[i] for i in kept],
        parsed.record[kept],
        parsed.time_ms[kept],
        parsed.logged_ms[kept],
        parsed.kind[kept],
        {index[i]: fields for i, fields in parsed.details.items() if i in index},
        sorted([*parsed.rejections, *refused], key=lambda rejection: rejection.record),
        parsed.losses,
    )


def to_columns(parsed: Parsed, variables: VariableTable = BUILT_IN) -> Columns:
    """Lays out parsed events: values in canonical units, without the unusable ones.

    What is kept of a log enters here, so that it is judged as a record that comes in now.

    Args:
        parsed: the events; its cells, if there are any, number the same variables.
        variables: have names, units and limits.
    """
    events = parsed.events
    columns = Columns(
        parsed.record,
        [event.patient_id for event in events],
        parsed.time_ms,
        parsed.logged_ms,
        parsed.kind,
        parsed.details,
        np.zeros(len(events) + 1, np.intp),
        np.empty(0, np.int16),
        np.empty(0, np.float32),
        np.empty(0, np.uint16),
        parsed.rejections,
        parsed.losses,
        [event.source for event in events],
        variables,
    )
    _measure(columns, events, parsed.cells)
    return columns


def _check_signature(key: bytes, value: bytes | None, mac: bytes | None) -> None:
    if not is_signed(key, value or b"", mac):
        what = "no action-mac header" if mac is None else "the action-mac header is of another key"
        raise EventRejected(Reason.UNSIGNED_ACTION, what)


def _wrong_clocks(
    time_ms: NDArray[np.int64], logged_ms: NDArray[np.int64], limit_ms: int | None
) -> dict[int, Rejection]:
    """The records whose own timestamp is no time, and the events that are ahead of theirs.

    The log's clock would follow such a timestamp, and let go of every other patient.
    """
    wrong = {
        i: Rejection(i, Reason.BAD_TIMESTAMP, "the record's timestamp is no time in milliseconds")
        for i in (logged_ms > PLAUSIBLE_MS).nonzero()[0].tolist()
    }
    if limit_ms is not None:
        for i in (time_ms - logged_ms > limit_ms).nonzero()[0].tolist():
            ahead_s = int(time_ms[i] - logged_ms[i]) / 1000
            wrong[i] = Rejection(
                i,
                Reason.FUTURE_TIME,
                f"time is {ahead_s:.0f} s ahead of the record's timestamp; "
                f"at most {limit_ms / 1000:.0f} s is allowed",
            )
    return wrong


def _measure(columns: Columns, events: list[Observation], apart: PlainCells | None) -> None:
    """Lays out the values of events in cells, in canonical units, without the unusable ones."""
    variables, shapes = columns.variables, columns.variables.shapes
    measured = [event.values for event in events]
    for e in [e for e, event in enumerate(events) if event.units]:
        measured[e] = _in_canonical_units(columns, measured[e], events[e].units or {})
    counts = np.fromiter(map(len, measured), np.intp, len(measured))
    np.cumsum(counts, out=columns.cell_start[1:])
    indices = b"".join([shapes[names] for names in map(tuple, measured)])
    columns.variable = np.frombuffer(indices, np.int16)
    values, is_null = _numbers(measured, int(columns.cell_start[-1]))
    if apart is not None:
        owner = np.concatenate([np.repeat(np.arange(len(events)), counts), apart.event])
        order = np.argsort(owner, kind="stable")
        columns.variable = np.concatenate([columns.variable, apart.variable])[order]
        values = np.concatenate([values, apart.value])[order]
        is_null = np.concatenate([is_null, np.zeros(len(apart.event), np.bool_)])[order]
        counts = np.bincount(owner, minlength=len(events))
        np.cumsum(counts, out=columns.cell_start[1:])

    unknown = columns.variable == UNKNOWN
    cleaned, not_finite, outside = clean_cells(columns.variable, values, variables)
    columns.rank = _ranks(events, counts, is_null)
    withdraws = is_null & (columns.rank > 0) & ~unknown
    good = ~(unknown | not_finite | outside) | withdraws
    if good.all():
        columns.value = cleaned
        return
    for problem, mask in (
        (ValueProblem.UNKNOWN_VARIABLE, unknown),
        (ValueProblem.NOT_FINITE, not_finite & ~unknown & ~is_null),
        (ValueProblem.OUT_OF_LIMITS, outside & ~unknown),
    ):
        for cell in np.flatnonzero(mask).tolist():
            e = int(np.searchsorted(columns.cell_start, cell, side="right")) - 1
            index = int(columns.variable[cell])
            name = (
                variables.names[index]
                if index != UNKNOWN
                else next(islice(measured[e], cell - int(columns.cell_start[e]), None))
            )
            columns.losses[Loss(problem, name, (events[e].units or {}).get(name))] += 1
    kept = np.concatenate([[0], np.cumsum(good)])
    columns.cell_start = kept[columns.cell_start]
    columns.variable, columns.value = columns.variable[good], cleaned[good]
    columns.rank = columns.rank[good]


def _numbers(
    measured: list[dict[str, float | None]], n: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The ``n`` values of all events, NaN where one is null, and which are null."""
    values = np.fromiter(chain.from_iterable(map(dict.values, measured)), np.float64, n)
    is_null = np.isnan(values)
    if is_null.any():
        numbers = chain.from_iterable(map(dict.values, measured))
        is_null[is_null] = [number is None for number in compress(numbers, is_null)]
    return values, is_null


def _ranks(
    events: list[Observation], counts: NDArray[np.intp], is_null: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """The rank of each value: twice the revision, plus one where there is a value."""
    rank = (~is_null).astype(np.uint16)
    revised = [e for e, event in enumerate(events) if event.revision]
    if revised:
        revision = np.zeros(len(events), np.uint16)
        revision[revised] = [events[e].revision for e in revised]
        rank += np.repeat(2 * revision, counts)
    return rank


def _in_canonical_units(
    columns: Columns, values: dict[str, float | None], units: dict[str, str]
) -> dict[str, float | None]:
    variables, converted = columns.variables, dict(values)
    for name, unit in units.items():
        index, number = variables.index.get(name), values.get(name)
        if index is None or number is None:
            continue
        canonical = to_canonical(variables.all[index], number, unit)
        if canonical is None:
            del converted[name]  # a null would withdraw a value
            columns.losses[Loss(ValueProblem.UNKNOWN_UNIT, name, unit)] += 1
        else:
            converted[name] = canonical
    return converted
