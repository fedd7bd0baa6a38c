"""The archive as a whole: its tables under one key, and the writers of its topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from streamer.core.time import HOUR_MS
from streamer.ports.faults import Fault, no_fault
from streamer.ports.log import EventLog
from trainer.archive import event_rows, message_rows
from trainer.archive.arrow import listed, times_ms, where
from trainer.archive.delta_table import ArchiveTable, Move, NoTable
from trainer.archive.message_rows import MakeRows
from trainer.archive.pseudonyms import KEY_PROPERTY, PatientNames
from trainer.archive.schemas import ACTIONS, ALERTS, ERASED, EVENTS, GAPS, OUTCOMES, SCORES, TABLES
from trainer.archive.writer import Gap, TopicWriter
from trainer.errors import InputError

READERS: Final = {
    "vitals": EVENTS,
    "outcomes": OUTCOMES,
    "risk": SCORES,
    "alerts": ALERTS,
    "actions": ACTIONS,
}
"""The table of each reader. A reader is named after its topic; `actions` reads the alerts, too: a
commit is one table's, so a table has offsets of its own."""

_GAPS_APP: Final = "gaps"


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that is written to.

    Attributes:
        root: its folder.
        names: of the patients in it.
    """

    root: Path
    names: PatientNames

    def __post_init__(self) -> None:
        """Checks that the tables are under this key.

        Raises:
            InputError: they are under another: one patient would have two names.
        """
        for spec in TABLES:
            try:
                noted = ArchiveTable(self.root, spec).properties.get(KEY_PROPERTY)
            except NoTable:
                continue
            if noted not in (None, self.names.key_id):
                raise InputError(
                    f"{self.root / spec.name} was written under key {noted}, this is key "
                    f"{self.names.key_id}: one patient would have two names. Set "
                    "TRAINER_ARCHIVE_KEY as it was, or begin another archive"
                )

    def table(self, name: str) -> ArchiveTable:
        """The table of a name, made if it is not there."""
        spec = next(spec for spec in TABLES if spec.name == name)
        return ArchiveTable.open_or_create(self.root, spec, {KEY_PROPERTY: self.names.key_id})

    def writer(
        self,
        topic: str,
        log: EventLog,
        flush_s: float,
        *,
        future_limit_ms: int | None = HOUR_MS,
        clock: Callable[[], float] = time.monotonic,
        fault: Fault = no_fault,
    ) -> TopicWriter:
        """The writer of one of ``READERS``.

        Args:
            topic: key of ``READERS``.
            log: its topic.
            flush_s: seconds after which a batch is written.
            future_limit_ms: as the streamer's: a later event is kept as rejected.
            clock: seconds that never go back.
            fault: called between two effects.
        """
        spec = READERS[topic]
        writer = TopicWriter(
            log,
            self.table(spec.name),
            self._rows(topic, future_limit_ms),
            flush_s=flush_s,
            clock=clock,
            on_gap=partial(self._note_gap, topic, log),
            drop=_Erased(self).drop if "patient" in spec.schema.names else lambda rows: rows,
        )
        writer.fault = fault
        return writer

    def _rows(self, topic: str, future_limit_ms: int | None) -> MakeRows:
        names = self.names
        makers: Mapping[str, MakeRows] = {
            "vitals": lambda records, topic_id: event_rows.of_records(
                records, topic_id, names, future_limit_ms
            ),
            "outcomes": lambda records, topic_id: message_rows.of_outcomes(
                records, topic_id, names
            ),
            "risk": lambda records, topic_id: message_rows.of_risks(
                records, topic_id, names, "champion"
            ),
            "alerts": lambda records, topic_id: message_rows.of_alerts(
                records, topic_id, names, "champion"
            ),
            "actions": lambda records, topic_id: message_rows.of_actions(records, topic_id, names),
        }
        return makers[topic]

    def _note_gap(self, topic: str, log: EventLog, gap: Gap) -> None:
        """Notes records that are lost, before reading goes on after them."""
        table = self.table(GAPS.name)
        # Of each reader: what one of two that read the same topic has missed, the other may have.
        app = f"{_GAPS_APP}/{topic}/{gap.topic_id}/{gap.partition}"
        # A process that ended between this note and its next commit finds the same gap again.
        if _noted_until(table, topic, gap) >= gap.end:
            return
        first_ms = log.timestamp_at(gap.partition, gap.end + 1) or 0
        row = {
            "topic": topic, "topic_id": gap.topic_id, "partition": gap.partition,
            "begin": gap.begin, "end": gap.end, "logged_before": first_ms * 1000,
        }  # fmt: skip
        rows = pa.Table.from_pylist([row], schema=GAPS.schema)
        name = f"{topic}-{gap.topic_id}-{gap.partition}-{gap.begin}-{gap.end}.parquet"
        table.commit([table.write(name, rows)], moves={app: Move(table.offset(app), gap.end)})


def _noted_until(table: ArchiveTable, topic: str, gap: Gap) -> int:
    """The end of the gaps that a reader has noted of a partition; 0 without any.

    The rows say it: in earlier versions the offset in the table's log was that of all readers.
    """
    rows = table.read_all(["topic", "topic_id", "partition", "end"]).to_pylist()
    read_from = (topic, gap.topic_id, gap.partition)
    ends = [r["end"] for r in rows if (r["topic"], r["topic_id"], r["partition"]) == read_from]
    return max(ends, default=0)


class _Erased:
    """Takes the rows of erased patients out, as far as they were logged before the erasure."""

    def __init__(self, archive: Archive) -> None:
        self._table = archive.table(ERASED.name)
        self._version = -1
        self._until: dict[str, int] = {}

    def drop(self, rows: pa.Table) -> pa.Table:
        self._table.reload()
        if self._table.version != self._version:
            erased = self._table.read_all(["patient", "until"])
            self._until = {}
            for patient, until_ms in zip(
                listed(erased, "patient"), times_ms(erased, "until").tolist(), strict=True
            ):
                self._until[patient] = max(until_ms, self._until.get(patient, 0))
            self._version = self._table.version
        if not self._until:
            return rows
        until = [self._until.get(patient, -1) for patient in listed(rows, "patient")]
        return where(rows, times_ms(rows, "logged") > np.array(until, np.int64))
