"""The tables of the archive and their columns. A schema grows by columns alone.

Each table is a Delta table in the folder of its name. A renamed or retyped column is a new table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from streamer.core.variables import VARIABLES

VALUES: Final = tuple(variable.name for variable in VARIABLES)
STATIC: Final = ("age", "sex", "icu_type", "hours_since_hospital_admission")
TIME: Final = pa.timestamp("us", tz="UTC")  # Delta has no milliseconds

_RECORD: Final = (
    ("topic_id", pa.string()), ("partition", pa.int32()), ("offset", pa.int64()), ("logged", TIME),
)  # fmt: skip
_EVENT: Final = (
    ("patient", pa.string()), ("split", pa.int16()), ("time", TIME), ("kind", pa.string()),
    ("refused", pa.string()), ("revision", pa.int16()), ("withdrawn", pa.list_(pa.string())),
    ("units", pa.map_(pa.string(), pa.string())), ("age", pa.float64()), ("sex", pa.string()),
    ("icu_type", pa.string()), ("hours_since_hospital_admission", pa.float64()),
    ("ward", pa.string()), ("said", pa.int64()), ("cancelled", pa.bool_()), ("drug", pa.string()),
    ("class", pa.string()), ("action", pa.string()), ("dose", pa.float64()), ("unit", pa.string()),
    ("replayed", pa.bool_()),
)  # fmt: skip
_OUTCOME: Final = (
    ("patient", pa.string()), ("split", pa.int16()), ("type", pa.string()), ("time", TIME),
    ("decided", TIME), ("source", pa.string()), ("definition", pa.string()),
    ("refused", pa.string()),
)  # fmt: skip
_SCORE: Final = (
    ("patient", pa.string()), ("time", TIME), ("bin", pa.int32()), ("risk", pa.float64()),
    ("risk24", pa.float64()), ("risk48", pa.float64()), ("positive", pa.bool_()),
    ("model", pa.string()), ("role", pa.string()),
)  # fmt: skip
_ALERT: Final = (
    ("patient", pa.string()), ("time", TIME), ("started", TIME), ("number", pa.int32()),
    ("phase", pa.string()), ("severity", pa.string()), ("model", pa.string()),
    ("role", pa.string()),
)  # fmt: skip
_ACTION: Final = (
    ("patient", pa.string()), ("time", TIME), ("started", TIME), ("number", pa.int32()),
    ("action", pa.string()), ("refusal", pa.string()), ("revision", pa.int32()),
    ("state", pa.string()), ("minutes", pa.int32()), ("reason", pa.string()),
    ("verdict", pa.string()), ("user", pa.string()), ("user_role", pa.string()),
    ("action_id", pa.string()), ("model", pa.string()),
)  # fmt: skip
_STAY: Final = (
    ("patient", pa.string()), ("split", pa.int16()), ("partition", pa.int32()), ("origin", TIME),
    ("admitted", pa.bool_()), ("first_bin", pa.int32()), ("hours", pa.int32()), ("newest", TIME),
    ("discharge", TIME), ("ward", pa.string()), ("age", pa.float32()), ("sex", pa.float32()),
    ("icu_type", pa.float32()), ("hours_since_hospital_admission", pa.float32()),
    ("incomplete", pa.bool_()), ("events_version", pa.int64()), ("code", pa.string()),
)  # fmt: skip

_ERASURE: Final = (
    ("patient", pa.string()), ("until", TIME), ("by", pa.string()), ("reason", pa.string()),
)  # fmt: skip
_GAP: Final = (
    ("topic", pa.string()), ("topic_id", pa.string()), ("partition", pa.int32()),
    ("begin", pa.int64()), ("end", pa.int64()), ("logged_before", TIME),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table: its folder's name, its columns, and whether its files are cut by day."""

    name: str
    schema: pa.Schema
    by_day: bool = False

    @property
    def file_schema(self) -> pa.Schema:
        """The columns of its files: the day is in the folder's name alone."""
        return (
            self.schema.remove(self.schema.get_field_index("day")) if self.by_day else self.schema
        )


def _columns(*parts: tuple[tuple[str, pa.DataType], ...]) -> pa.Schema:
    return pa.schema([field for part in parts for field in part])


EVENTS: Final = TableSpec(
    "events",
    _columns(
        _RECORD, _EVENT, tuple((name, pa.float64()) for name in VALUES), (("day", pa.date32()),)
    ),
    by_day=True,
)
OUTCOMES: Final = TableSpec("outcomes", _columns(_RECORD, _OUTCOME))
SCORES: Final = TableSpec("scores", _columns(_RECORD, _SCORE))
ALERTS: Final = TableSpec("alerts", _columns(_RECORD, _ALERT))
ACTIONS: Final = TableSpec("actions", _columns(_RECORD, _ACTION))
STAYS: Final = TableSpec(
    "stays", _columns(_STAY, tuple((name, pa.list_(pa.float32())) for name in VALUES))
)
ERASED: Final = TableSpec("erased", _columns(_ERASURE))
GAPS: Final = TableSpec("gaps", _columns(_GAP))
TABLES: Final = (EVENTS, OUTCOMES, SCORES, ALERTS, ACTIONS, STAYS, ERASED, GAPS)
