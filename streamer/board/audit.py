"""The audit: actions and their outcomes from messages of the topic `alerts`; as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from streamer.board.api import AuditRow
from streamer.board.messages import AlertMessage

COLUMNS: Final = (
    "time", "user", "name", "role", "action", "patient", "alert_id", "revision", "reason", "note",
    "outcome", "action_id",
)  # fmt: skip
# A spreadsheet runs a cell that begins so (OWASP, CSV Injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def row(message: AlertMessage) -> AuditRow | None:
    """Returns the row of a message; ``None`` for what no person did."""
    if message.by is None and message.action_id is None:
        return None
    by = message.by
    refusal = message.refusal
    return {
        "time": message.time,
        "user": by.user if by else "",
        "name": by.name if by else None,
        "role": by.role if by else None,
        "action": message.action or message.phase,
        "patient": message.patient_id,
        "alert_id": message.alert_id,
        "revision": message.revision,
        "reason": ": ".join(filter(None, (message.verdict, message.reason))) or None,
        "note": message.note,
        "outcome": f"refused: {refusal}" if refusal else message.phase,
        "action_id": message.action_id,
    }


def select(rows: Iterable[AuditRow], patient: str | None, user: str | None) -> list[AuditRow]:
    """Returns the rows of a patient and of a user, the newest first."""
    chosen = [
        r
        for r in rows
        if (not patient or r["patient"] == patient) and (not user or r["user"] == user)
    ]
    chosen.sort(key=lambda r: r["time"], reverse=True)
    return chosen


def to_csv(rows: Sequence[AuditRow]) -> str:
    """Writes rows as CSV; no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for each in rows:
        writer.writerow([guarded(each.get(column)) for column in COLUMNS])
    return text.getvalue()


def guarded(cell: object) -> str:
    """A cell that a spreadsheet shows and does not run.

    >>> guarded("=1+1"), guarded("bed 4"), guarded(None)
    ("'=1+1", 'bed 4', '')
    """
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
