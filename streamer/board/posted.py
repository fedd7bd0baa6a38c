"""Actions that this board sent and the streamer has not answered yet, for the audit."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from streamer.board.actions import ActionRequest
from streamer.board.api import AuditRow
from streamer.board.people import Person
from streamer.core.time import rfc3339

_MOST: Final = 1_000  # a streamer that stands still for a day does not fill the memory
NOT_CONFIRMED: Final = "not confirmed"


@dataclass(slots=True)
class Posted:
    """What was acknowledged by the log and not by the streamer, by action id."""

    _rows: OrderedDict[str, AuditRow]

    def __init__(self) -> None:
        self._rows = OrderedDict()

    def add(self, asked: ActionRequest, person: Person, time_ms: int) -> None:
        """Notes an action that was written."""
        action_id = asked.action_id.lower()
        self._rows[action_id] = {
            "time": rfc3339(time_ms),
            "user": person.user,
            "name": person.name,
            "role": person.role.word,
            "action": asked.action,
            "patient": asked.patient_id,
            "alert_id": asked.alert_id,
            "revision": asked.revision,
            "reason": asked.reason,
            "note": asked.note,
            "outcome": NOT_CONFIRMED,
            "action_id": action_id,
        }
        while len(self._rows) > _MOST:
            self._rows.popitem(last=False)

    def answered(self, action_id: str) -> None:
        """Forgets an action whose phase has come."""
        self._rows.pop(action_id, None)

    def rows(self) -> list[AuditRow]:
        """Returns the actions without an answer."""
        return list(self._rows.values())
