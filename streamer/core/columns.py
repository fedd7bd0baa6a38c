"""A batch of records as columns: after decoding, no Python object per event survives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.cleaning import clean_cells
from streamer.core.events import EventRejected, Kind, parse
from streamer.core.reasons import Reason, Rejection, ValueProblem
from streamer.core.records import Record, Records
from streamer.core.variables import INDEX, VARIABLES, to_canonical

_OBSERVATION: Final = Kind.OBSERVATION
_UNKNOWN: Final = -1


class _Places(dict[str, int]):
    """The index of a variable by its name, ``_UNKNOWN`` for any other name."""

    def __missing__(self, name: str) -> int:
        return _UNKNOWN


_variable: Final = _Places(INDEX).__getitem__


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
        variable: ``(C,)`` indices into ``VARIABLES``.
        value: ``(C,)`` cleaned values, none NaN.
        rejections: the records that are no good events.
        problems: how many values were dropped, by reason.
    """

    record: NDArray[np.intp]
    patients: list[str]
    time_ms: NDArray[np.int64]
    logged_ms: NDArray[np.int64]
    kind: NDArray[np.uint8]
    details: dict[int, dict[str, Any]]
    cell_start: NDArray[np.intp]
    variable: NDArray[np.int16]
    value: NDArray[np.float32]
    rejections: list[Rejection] = field(default_factory=list)
    problems: Counter[ValueProblem] = field(default_factory=Counter)

    def cells_of(self, events: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Returns the indices of all values of ``events``, and which of ``events`` each is of."""
        counts = self.cell_start[events + 1] - self.cell_start[events]
        owner = np.repeat(np.arange(len(events)), counts)
        first = np.repeat(self.cell_start[events] - (np.cumsum(counts) - counts), counts)
        return first + np.arange(len(owner)), owner


def decode(records: Sequence[Record], future_limit_ms: int | None) -> Columns:
    """Decodes records to columns.

    Args:
        records: in the order of the log, of any partitions.
        future_limit_ms: an event this much later than its record's timestamp is refused; ``None``
            turns the check off.
    """
    read = Records.of(records)
    record: list[int] = []
    patients: list[str] = []
    time_ms: list[int] = []
    kinds: list[int] = []
    details: dict[int, dict[str, Any]] = {}
    counts: list[int] = []
    variables: list[int] = []
    values: list[float] = []
    rejections: list[Rejection] = []
    problems: Counter[ValueProblem] = Counter()

    log = zip(read.timestamp_ms.tolist(), read.keys, read.values, strict=True)
    for i, (timestamp_ms, key, value) in enumerate(log):
        try:
            event = parse(value, key)
            if future_limit_ms is not None:
                _refuse_future(event["time_ms"], timestamp_ms, future_limit_ms)
        except EventRejected as rejected:
            rejections.append(_rejection(i, rejected, read.unreadable))
            continue
        if event["kind"] is _OBSERVATION:
            fields = event["fields"]
            measured = fields["values"]
            if fields.get("units"):
                measured = _in_canonical_units(measured, fields["units"], problems)
            if None in measured.values():
                measured = {n: number for n, number in measured.items() if _counts(n, number)}
            variables += map(_variable, measured)
            values += measured.values()
            counts.append(len(measured))
        else:
            details[len(record)] = event["fields"]
            counts.append(0)
        record.append(i)
        patients.append(event["patient"])
        time_ms.append(event["time_ms"])
        kinds.append(event["kind"])

    columns = Columns(
        np.array(record, np.intp),
        patients,
        np.array(time_ms, np.int64),
        read.timestamp_ms[record],
        np.array(kinds, np.uint8),
        details,
        np.zeros(len(record) + 1, np.intp),
        np.array(variables, np.int16),
        np.empty(0, np.float32),
        rejections,
        problems,
    )
    np.cumsum(counts, out=columns.cell_start[1:])
    _clean(columns, np.array(values, np.float64))
    return columns


def _rejection(i: int, rejected: EventRejected, unreadable: Mapping[int, str]) -> Rejection:
    if i in unreadable:
        return Rejection(i, Reason.UNREADABLE, unreadable[i])
    return Rejection(i, rejected.reason, rejected.detail)


def _counts(name: str, number: float | None) -> bool:
    """Whether a value is one, or has a name that is to be counted as unknown."""
    return number is not None or name not in INDEX


def _refuse_future(time_ms: int, timestamp_ms: int, limit_ms: int) -> None:
    ahead_ms = time_ms - timestamp_ms
    if ahead_ms > limit_ms:
        raise EventRejected(
            Reason.FUTURE_TIME,
            f"time is {ahead_ms / 1000:.0f} s ahead of the record's timestamp; "
            f"at most {limit_ms / 1000:.0f} s is allowed",
        )


def _in_canonical_units(
    values: dict[str, float | None], units: dict[str, str], problems: Counter[ValueProblem]
) -> dict[str, float | None]:
    converted = dict(values)
    for name, unit in units.items():
        index, number = INDEX.get(name), values.get(name)
        if index is None or number is None:
            continue
        converted[name] = to_canonical(VARIABLES[index], number, unit)
        if converted[name] is None:
            problems[ValueProblem.UNKNOWN_UNIT] += 1
    return converted


def _clean(columns: Columns, values: NDArray[np.float64]) -> None:
    unknown = columns.variable == _UNKNOWN
    cleaned, not_finite, outside = clean_cells(columns.variable, values)
    for problem, mask in (
        (ValueProblem.UNKNOWN_VARIABLE, unknown),
        (ValueProblem.NOT_FINITE, not_finite & ~unknown),
        (ValueProblem.OUT_OF_LIMITS, outside & ~unknown),
    ):
        if mask.any():
            columns.problems[problem] += int(mask.sum())
    good = ~(unknown | not_finite | outside)
    if not good.all():
        kept = np.concatenate([[0], np.cumsum(good)])
        columns.cell_start = kept[columns.cell_start]
        columns.variable, cleaned = columns.variable[good], cleaned[good]
    columns.value = cleaned
