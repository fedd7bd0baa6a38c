"""Labelled stays of the archive as a cohort: those that are mature, complete and vouched for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streamer.core.demographics import ICU_TYPE_CODES, SEX_CODES
from streamer.core.time import HOUR_MS
from streamer.datasets.cohort import Cohort, DataError
from trainer.archive.arrow import array, in_order, listed, times_ms
from trainer.archive.delta_table import ArchiveTable, NoTable
from trainer.archive.fold import newest_logged_ms
from trainer.archive.labels import (
    MATURE_HOURS,
    Span,
    StayLabel,
    label_column,
    label_stays,
    outcomes_of,
)
from trainer.archive.pseudonyms import KEY_PROPERTY, PLAIN
from trainer.archive.schemas import EVENTS, OUTCOMES, STATIC, STAYS, VALUES
from trainer.archive.source import ArchiveSource
from trainer.archive.stay_ids import stay_id


@dataclass(frozen=True, slots=True)
class ArchivedStays:
    """The labelled stays of an archive; N of them.

    Attributes:
        cohort: the stays.
        discharge_ms: (N,) epoch milliseconds.
        stays_version: of the table of stays.
        outcomes_version: of the table of outcomes.
        now_ms: the log's own time.
        counts: stays by what became of them: `labelled`, `unlabelled`, `immature`, `incomplete`,
            and outcomes that are `unmatched` or from the `future`.
        labelled_share: of the mature and complete stays of each month of discharge.
    """

    cohort: Cohort
    discharge_ms: NDArray[np.int64]
    stays_version: int
    outcomes_version: int
    now_ms: int
    counts: Counter[str]
    labelled_share: dict[str, float]


def read_archive(
    source: ArchiveSource, mature_hours: float = MATURE_HOURS, now_ms: int | None = None
) -> ArchivedStays:
    """Reads the labelled stays of an archive, sorted by id.

    Args:
        source: the archive, and the versions of its tables.
        mature_hours: hours after discharge at which a stay is mature.
        now_ms: the log's own time at an earlier reading; that of the newest record by default.

    Raises:
        DataError: there is no such table or version, nothing was folded, or no stay is labelled.
    """
    try:
        events = ArchiveTable(source.root, EVENTS)
        stays = ArchiveTable(source.root, STAYS, source.stays_version)
        outcomes = ArchiveTable(source.root, OUTCOMES, source.outcomes_version)
    except NoTable as error:
        raise DataError(
            f"{error}; `trainer archive run` and `trainer archive fold` make it"
        ) from error
    now_ms = newest_logged_ms(events) if now_ms is None else now_ms
    rows = in_order(stays.read_all(), "patient", "origin")
    spans, discharge_ms = _spans(rows)
    labels = label_stays(spans, outcomes_of(outcomes.read_all()), now_ms)
    is_mature = discharge_ms + round(mature_hours * HOUR_MS) <= now_ms
    is_complete = ~array(rows, "incomplete")
    is_labelled = np.array([label is not None for label in labels.of_stay], np.bool_)
    counts = Counter(
        labelled=int((is_mature & is_complete & is_labelled).sum()),
        unlabelled=int((is_mature & is_complete & ~is_labelled).sum()),
        immature=int((~is_mature).sum()),
        incomplete=int((is_mature & ~is_complete).sum()),
        unmatched=labels.n_unmatched,
        future=labels.n_future,
    )
    chosen = np.flatnonzero(is_mature & is_complete & is_labelled)
    if not len(chosen):
        raise DataError(
            f"{source.root}: no stay is mature and labelled ({_said(counts)}); outcomes come from "
            "the topic of that name, and `trainer archive fold` makes stays"
        )
    kept = [label for i in chosen if (label := labels.of_stay[i]) is not None]
    is_plain = stays.properties.get(KEY_PROPERTY) == PLAIN
    all_ids = _ids(spans, rows, is_plain)
    ids = [all_ids[i] for i in chosen]
    first = {
        span.patient: id_ for span, id_ in zip(reversed(spans), reversed(all_ids), strict=True)
    }
    persons = np.array([first[spans[i].patient] for i in chosen], np.str_)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    cohort = replace(_cohort(rows.take(chosen), ids, kept), persons=persons).take(order)
    return ArchivedStays(
        cohort,
        discharge_ms[chosen][order],
        stays.version,
        outcomes.version,
        now_ms,
        counts,
        _share_by_month(discharge_ms, is_mature & is_complete, is_labelled),
    )


def _spans(rows: pa.Table) -> tuple[list[Span], NDArray[np.int64]]:
    """The stays for labels, and when each ended: its discharge, or its newest observation."""
    origin, newest, discharge = (times_ms(rows, name) for name in ("origin", "newest", "discharge"))
    ended = np.where(discharge > 0, discharge, newest)
    columns = (listed(rows, name) for name in ("patient", "first_bin", "hours"))
    spans = [
        Span(patient, begun, end, first_bin, hours)
        for begun, end, patient, first_bin, hours in zip(
            origin.tolist(), ended.tolist(), *columns, strict=True
        )
    ]
    return spans, ended


def _ids(spans: list[Span], rows: pa.Table, is_plain: bool) -> list[str]:
    """An id for each stay; ``spans`` are sorted by patient and time."""
    numbers: Counter[str] = Counter()
    ids = []
    for span, position in zip(spans, listed(rows, "split"), strict=True):
        numbers[span.patient] += 1
        ids.append(stay_id(span.patient, position, numbers[span.patient], is_plain=is_plain))
    return ids


def _cohort(rows: pa.Table, ids: list[str], labels: list[StayLabel]) -> Cohort:
    """The stays of rows, cut to the hours that are labelled."""
    lengths = array(rows, "hours").astype(np.int64)
    hours = np.array([label.hours for label in labels], np.int64)
    starts = np.concatenate([[0], np.cumsum(hours)])
    ends = np.cumsum(lengths)
    keep = np.repeat(ends - lengths - starts[:-1], hours) + np.arange(starts[-1])
    values = np.column_stack([_cells(rows, name)[keep] for name in VALUES]).astype(np.float32)
    first_bin = array(rows, "first_bin")
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], hours)
    age, sex, icu_type, in_hospital = (array(rows, name).astype(np.float32) for name in STATIC)
    return Cohort(
        ids,
        starts,
        values,
        (np.repeat(first_bin, hours) + within + 1).astype(np.int32),
        np.concatenate([label_column(label) for label in labels]),
        age,
        _words(sex, SEX_CODES),
        _words(icu_type, ICU_TYPE_CODES),
        in_hospital,
        # Figures are shown for each ward, as for each hospital of files that name them.
        np.array([ward or "" for ward in listed(rows, "ward")], np.str_),
    )


def _cells(rows: pa.Table, name: str) -> NDArray[np.float32]:
    """(R,) the values of all stays, one after the other."""
    lists: Any = rows.column(name)
    cells: NDArray[np.float32] = lists.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return cells


def _words(codes: NDArray[np.float32], words: dict[str, float]) -> NDArray[np.str_]:
    names = {code: word for word, code in words.items()}
    return np.array([names.get(float(code), "unknown") for code in codes])


def _share_by_month(
    discharge_ms: NDArray[np.int64], counts: NDArray[np.bool_], is_labelled: NDArray[np.bool_]
) -> dict[str, float]:
    months = discharge_ms.astype("datetime64[ms]").astype("datetime64[M]")
    return {
        str(month): float(is_labelled[counts & (months == month)].mean())
        for month in np.unique(months[counts])
    }


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
