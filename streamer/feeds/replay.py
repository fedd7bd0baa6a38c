"""Replays recorded stays as events, in the order of event time.

The row of ICULOS = k becomes an observation at ICU admission + (k - 1) hours, also if it has no
value, since it moves the clock. A stay begins with an ``admission`` and ends with a ``discharge``
one hour after its last observation. Where the file has labels, the outcome goes to ``outcomes``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.core.time import HOUR_MS, MINUTE_MS, rfc3339
from streamer.core.variables import BUILT_IN
from streamer.datasets.cohort import NO_LABEL, Cohort
from streamer.feeds.message import Message

if TYPE_CHECKING:
    from streamer.datasets.physionet2012_rows import Records  # needs pyarrow, which feeds do not

LABEL_LEAD_HOURS: Final = 6
"""SepsisLabel turns 1 this long before onset (Reyna 2020)."""

_CHUNK: Final = 4096  # events turned into objects at once: fast, and little memory held
_MOST_DECIMALS: Final = 8  # a float32 above 1 has no more of them


class _Source(Protocol):
    """Recorded stays as the feed reads them; event ``e`` is one observation."""

    patient_ids: list[str]
    stay: NDArray[np.int64]  # (E,) index of the stay, ascending
    offset_ms: NDArray[np.int64]  # (E,) since ICU admission, ascending within a stay

    def values(self, events: NDArray[np.int64]) -> list[dict[str, object]]: ...
    def admission(self, stay: int) -> dict[str, object]: ...
    def outcome(self, stay: int) -> tuple[str, int] | None: ...


def replay(
    recorded: Cohort | Records,
    start_ms: int,
    *,
    patients: int | None = None,
    admissions_per_hour: float | None = None,
) -> Iterator[Message]:
    """Replays recorded stays, merged over all stays in the order of event time.

    Args:
        recorded: the stays, as of ``read_recordings``.
        start_ms: epoch milliseconds at which the first patient is admitted.
        patients: number of patients, the first ones in ``recorded``; all by default.
        admissions_per_hour: spreads the admissions evenly; without it all come at ``start_ms``.

    Yields:
        messages with ``due_ms`` never falling; each event's ``time`` is its ``due_ms``.

    Raises:
        ValueError: ``patients`` is below 1, or the rate is not above 0.
    """
    if patients is not None and patients < 1:
        raise ValueError(f"patients must be 1 or more, not {patients}")
    if admissions_per_hour is not None and not admissions_per_hour > 0:
        raise ValueError(f"admissions per hour must be above 0, not {admissions_per_hour}")
    source: _Source = _Hours(recorded) if isinstance(recorded, Cohort) else _Minutes(recorded)
    n = min(len(recorded), patients or len(recorded))
    gap_ms = HOUR_MS / admissions_per_hour if admissions_per_hour else 0.0
    admitted_ms = start_ms + np.rint(np.arange(n) * gap_ms).astype(np.int64)
    return _merge(source, admitted_ms)


def _merge(source: _Source, admitted_ms: NDArray[np.int64]) -> Iterator[Message]:
    n = len(admitted_ms)
    stays = np.arange(n)
    n_events = int(np.searchsorted(source.stay, n))
    of_event = source.stay[:n_events]
    event_ms = admitted_ms[of_event] + source.offset_ms[:n_events]
    last_ms = admitted_ms.copy()
    last_ms[of_event] = event_ms  # ascending, so the last one stays
    outcomes = [source.outcome(stay) for stay in range(n)]
    known = np.array([stay for stay in range(n) if outcomes[stay] is not None], np.int64)
    outcome_ms = admitted_ms[known] + np.array([o[1] for o in outcomes if o is not None], np.int64)

    # Kinds at one time in one stay: 0 admission, 1 observation, 2 discharge, 3 outcome.
    time_ms = np.concatenate([admitted_ms, event_ms, last_ms + HOUR_MS, outcome_ms])
    stay = np.concatenate([stays, of_event, stays, known])
    kind = np.repeat(np.arange(4), [n, n_events, n, len(known)])
    event = np.concatenate([stays, np.arange(n_events), stays, known])
    order = np.lexsort((kind, stay, time_ms))
    for first in range(0, len(order), _CHUNK):
        chunk = order[first : first + _CHUNK]
        values = iter(source.values(event[chunk[kind[chunk] == 1]]))
        written: dict[int, str] = {}
        for due_ms, i, event_kind in zip(
            time_ms[chunk].tolist(), stay[chunk].tolist(), kind[chunk].tolist(), strict=True
        ):
            patient = source.patient_ids[i]
            time = written.get(due_ms) or written.setdefault(due_ms, rfc3339(due_ms))
            value: dict[str, object] = {"type": "", "patient_id": patient, "time": time}
            if event_kind == 1:
                value["type"] = "observation"
                value["values"] = next(values)
            elif event_kind == 0:
                value["type"] = "admission"
                value.update(source.admission(i))
            elif event_kind == 2:
                value["type"] = "discharge"
            else:
                outcome = outcomes[i]
                value["type"] = outcome[0] if outcome else ""
            yield Message(due_ms, "outcomes" if event_kind == 3 else "vitals", patient, value)


class _Hours:
    """PhysioNet 2019: one observation for each row."""

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort
        self.patient_ids = cohort.patient_ids
        self.stay = cohort.patient_of_row
        self.offset_ms = (cohort.iculos.astype(np.int64) - 1) * HOUR_MS

    def values(self, events: NDArray[np.int64]) -> list[dict[str, object]]:
        block = self._cohort.values[events]
        row, variable = np.nonzero(np.isfinite(block))
        ends = np.cumsum(np.bincount(row, minlength=len(events)))
        return _dicts(self._cohort.variables.names, variable, block[row, variable], ends)

    def admission(self, stay: int) -> dict[str, object]:
        cohort = self._cohort
        fields = _demographics(cohort, stay)
        hours = cohort.hours_since_hospital_admission[stay]
        if np.isfinite(hours):
            fields["hours_since_hospital_admission"] = _decimal(hours)
        return fields

    def outcome(self, stay: int) -> tuple[str, int] | None:
        rows = self._cohort.rows(stay)
        label = self._cohort.label[rows]
        if label[0] == NO_LABEL or self._cohort.task is not None:  # an outcome is sepsis or not
            return None
        offset_ms = self.offset_ms[rows]
        if label.any():
            return "sepsis_onset", int(offset_ms[label.argmax()]) + LABEL_LEAD_HOURS * HOUR_MS
        return "no_sepsis", int(offset_ms[-1]) + HOUR_MS


class _Minutes:
    """PhysioNet 2012: one observation for each minute in which something was charted."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.patient_ids = records.patient_ids
        stay = np.repeat(np.arange(len(records)), np.diff(records.starts))
        new = np.ones(len(stay), np.bool_)
        new[1:] = (np.diff(stay) != 0) | (np.diff(records.minute) != 0)
        self._first = np.flatnonzero(new)
        self._length = np.diff(np.append(self._first, len(stay)))
        self.stay = stay[self._first]
        self.offset_ms = records.minute[self._first].astype(np.int64) * MINUTE_MS

    def values(self, events: NDArray[np.int64]) -> list[dict[str, object]]:
        length = self._length[events]
        ends = np.cumsum(length)
        cells = np.repeat(self._first[events] - ends + length, length) + np.arange(length.sum())
        records = self._records
        return _dicts(BUILT_IN.names, records.variable[cells], records.value[cells], ends)

    def admission(self, stay: int) -> dict[str, object]:
        return _demographics(self._records, stay)

    def outcome(self, stay: int) -> tuple[str, int] | None:  # noqa: ARG002 - the set has no sepsis label
        return None


def _demographics(recorded: Cohort | Records, stay: int) -> dict[str, object]:
    fields: dict[str, object] = {}
    if np.isfinite(recorded.age[stay]):
        fields["age"] = _decimal(recorded.age[stay])
    return {**fields, "sex": str(recorded.sex[stay]), "icu_type": str(recorded.icu_type[stay])}


def _dicts(
    named: tuple[str, ...],
    variable: NDArray[np.integer],
    value: NDArray[np.float32],
    ends: NDArray[np.int64],
) -> list[dict[str, object]]:
    names = [named[i] for i in variable.tolist()]
    numbers = shortest_decimals(value).tolist()
    starts = [0, *ends.tolist()][: len(ends)]  # a chunk of admissions and discharges has none
    return [
        dict(zip(names[start:end], numbers[start:end], strict=True))
        for start, end in zip(starts, ends.tolist(), strict=True)
    ]


def _decimal(value: np.float32) -> float:
    return float(shortest_decimals(np.array([value], np.float32))[0])


def shortest_decimals(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The float64 with the fewest decimals that equals each float32: the value as charted.

    >>> shortest_decimals(np.array([36.6, 97, 0.21], np.float32)).tolist()
    [36.6, 97.0, 0.21]
    """
    wide = values.astype(np.float64)
    shortest = wide.copy()
    open_ = np.arange(len(values))
    for decimals in range(_MOST_DECIMALS + 1):
        scale = 10.0**decimals
        rounded = np.rint(wide[open_] * scale) / scale
        same = rounded.astype(np.float32) == values[open_]
        shortest[open_[same]] = rounded[same]
        open_ = open_[~same]
    return shortest
