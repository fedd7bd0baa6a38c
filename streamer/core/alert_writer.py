"""Alert messages, stay messages and verdicts, written in the order of each patient's log.

A stay message holds the last message of its alert, and so does the stay itself: what changes a stay
later, a transfer for one, says it again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, TypeAlias

import orjson

from streamer.core.actions import ActionKind
from streamer.core.alert_messages import (
    Content,
    alert_content,
    answer_content,
    stay_content,
    verdict_content,
)
from streamer.core.answers import REFUSED, Answer
from streamer.core.assessment import Assessments
from streamer.core.model import Model
from streamer.core.stay_notices import StayNotice
from streamer.core.stays import StayTable

Written: TypeAlias = tuple[Literal["alert", "stay", "verdict"], Content]
"""What kind of message, and its content, which is empty where a stay was let go."""

_OF_NO_STATE: Final = (REFUSED, str(ActionKind.FEEDBACK))
"""Phases that leave the alert as it is; a stay does not keep them."""


class AlertWriter:
    """Writes the messages of one batch; ``keep`` leaves what the stays must remember.

    Args:
        model: the one that spoke.
        table: the stays after the batch.
    """

    def __init__(self, model: Model, table: StayTable) -> None:
        self._model = model
        self._table = table
        self._last: dict[str, bytes] = {}  # JSON of the last alert message, by patient

    def alert(self, wave: Assessments, row: int, position: tuple[int, int]) -> Content:
        """Writes what vitals did to an alert; ``position`` is the record's in the log."""
        content = alert_content(wave, row, position, self._model)
        self._remember(wave.patients[row], content)
        return content

    def notice(self, notice: Answer | StayNotice, position: tuple[int, int]) -> list[Written]:
        """Writes what people or a deadline did, or a stay that changed."""
        if isinstance(notice, Answer):
            return self._answer(notice, position)
        patient = notice.patient
        if notice.summary is None:
            self._last[patient] = b""
            return [("stay", {})]
        alert = self._last.get(patient, notice.alert_before)
        content = stay_content(notice, notice.summary, alert, position, self._model)
        return [("stay", content)]

    def keep(self) -> None:
        """Leaves the last message of each alert in its stay."""
        table = self._table
        for patient, alert in self._last.items():
            slot = table.slot_of.get(patient)
            if slot is not None:
                table.notes[slot] = replace(table.notes[slot], alert=alert)
                table.touched[slot] = True

    def _answer(self, answer: Answer, position: tuple[int, int]) -> list[Written]:
        content = answer_content(answer, position, self._model)
        messages: list[Written] = [("alert", content)]
        if answer.phase not in _OF_NO_STATE:
            self._remember(answer.patient, content)
        action = answer.action
        if answer.phase == ActionKind.FEEDBACK and action is not None:
            messages.append(("verdict", verdict_content(answer, action)))
        return messages

    def _remember(self, patient: str, content: Content) -> None:
        kept = {name: value for name, value in content.items() if name != "reasons"}
        self._last[patient] = orjson.dumps(kept)
