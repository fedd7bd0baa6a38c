"""The messages of one stay, in the order of events at the bedside."""

from __future__ import annotations

from typing import Final

from streamer.core.time import HOUR_MS
from streamer.sim.census import MONITOR_NOISE, WIRE, stream
from streamer.sim.course import LABEL_LEAD_H
from streamer.sim.labs import Draw
from streamer.sim.message import Message, rfc3339, rfc3339_one
from streamer.sim.monitor import Monitor
from streamer.sim.physiology import MONITOR
from streamer.sim.scenario import Scenario
from streamer.sim.stay import Stay
from streamer.sim.treatment import Medication
from streamer.sim.wire import OTHER_MONITOR_UNITS, Sent, StayWire

WARD: Final = "ICU"
# The two kinds of the `outcomes` topic.
ONSET: Final = "sepsis_onset"
NO_SEPSIS: Final = "no_sepsis"
_SOURCE: Final = "simulation"


class Bedside:
    """One stay's messages, produced step by step as simulated time goes on.

    Messages come in the order of bedside time. Each has a due time, which the wire may have
    delayed; the ward sorts them.
    """

    def __init__(self, scenario: Scenario, stay: Stay) -> None:
        self._stay = stay
        self._every_ms = round(scenario.vitals_every_s * 1000)
        self._outcome_delay_ms = round(scenario.outcome_delay_hours * HOUR_MS)
        self._id = stay.patient.patient_id
        noise = stream(scenario, MONITOR_NOISE, stay.index)
        self._monitor = Monitor(stay, noise, self._every_ms)
        rng = stream(scenario, WIRE, stay.index)
        self._wire = StayWire(scenario.wire, rng, stay, self._monitor, self._every_ms)
        self._next_row = 0
        # All messages but monitor rows, by bedside time: some dozens in a stay.
        self._single = sorted(self._single_messages(), key=lambda entry: entry[0])
        self._next_single = 0

    @property
    def over(self) -> bool:
        """Whether the stay has no more messages."""
        return self._next_single == len(self._single) and self._next_row == self._monitor.n_rows

    def until(self, end_ms: int) -> list[Message]:
        """The messages with a bedside time before ``end_ms``, from the end of the last call on."""
        messages: list[Message] = []
        while self._next_single < len(self._single):
            happens_ms, message = self._single[self._next_single]
            if happens_ms >= end_ms:
                break
            messages.append(message)
            self._next_single += 1
        stop = -(-(end_ms - self._monitor.first_ms) // self._every_ms)
        stop = min(max(stop, 0), self._monitor.n_rows)
        if stop > self._next_row:
            sent = self._wire.rows(self._monitor.rows(self._next_row, stop))
            messages += self._row_messages(sent)
            self._next_row = stop
        return messages

    def _single_messages(self) -> list[tuple[int, Message]]:
        """All messages but monitor rows, each with its bedside time in epoch milliseconds."""
        stay, course = self._stay, self._stay.course
        events = [(stay.admit_ms, stay.admit_ms, self._arrival(stay.bed, "a"))]
        if stay.transfer_ms is not None and stay.side_room is not None:
            # The contract has no transfer: the same admission is sent again with the new bed.
            moved = self._arrival(stay.side_room, "t")
            events.append((stay.transfer_ms, stay.transfer_ms, moved))
        for k, act in enumerate(stay.vitals.treatment.acts):
            if act.hour < course.length_h:
                act_ms = stay.ms_at(act.hour)
                events.append((act_ms, act_ms, self._medication(k, act, act_ms)))
        for k, draw in enumerate(stay.draws):
            draw_ms = stay.ms_at(draw.hour)
            due_ms, result = self._laboratory(k, draw, draw_ms)
            events.append((draw_ms, due_ms, result))
        events.append((stay.discharge_ms, stay.discharge_ms, self._discharge()))
        messages = []
        for happens_ms, due_ms, value in events:
            messages.append((happens_ms, Message(due_ms, "vitals", self._id, value)))
            again_ms = self._wire.repeat(due_ms)
            if again_ms >= 0:
                messages.append((happens_ms, Message(again_ms, "vitals", self._id, value)))
        outcome = self._outcome()
        return [*messages, (outcome.due_ms, outcome)]

    def _arrival(self, bed: str, tag: str) -> dict[str, object]:
        stay = self._stay
        return {
            "type": "admission", "patient_id": self._id, "time": rfc3339_one(stay.admit_ms),
            "age": stay.patient.age, "sex": stay.patient.sex, "icu_type": stay.icu_type,
            "hours_since_hospital_admission": round(stay.hours_since_hospital_admission, 2),
            "ward": WARD, "bed": bed, "label": stay.patient.label,
            "event_id": self._event_id(tag), "source": "adt",
        }  # fmt: skip

    def _discharge(self) -> dict[str, object]:
        return {
            "type": "discharge", "patient_id": self._id,
            "time": rfc3339_one(self._stay.discharge_ms),
            "event_id": self._event_id("d"), "source": "adt",
        }  # fmt: skip

    def _outcome(self) -> Message:
        """The onset, six hours after the label turns, or at discharge that there was none.

        Someone decides it ``outcome_delay_hours`` later; then it is sent.
        """
        stay = self._stay
        kind, time_ms = NO_SEPSIS, stay.discharge_ms
        if stay.course.onset_h is not None:
            kind, time_ms = ONSET, stay.ms_at(stay.course.onset_h + LABEL_LEAD_H)
        decided_ms = time_ms + self._outcome_delay_ms
        value: dict[str, object] = {
            "type": kind, "patient_id": self._id, "time": rfc3339_one(time_ms),
            "decided_time": rfc3339_one(decided_ms), "source": _SOURCE, "definition": "sepsis-3",
        }  # fmt: skip
        return Message(decided_ms, "outcomes", self._id, value)

    def _medication(self, number: int, act: Medication, act_ms: int) -> dict[str, object]:
        value: dict[str, object] = {
            "type": "medication", "patient_id": self._id, "time": rfc3339_one(act_ms),
            "drug": act.drug, "class": act.kind, "action": act.action,
            "event_id": self._event_id(f"x{number}"), "source": "pump",
        }  # fmt: skip
        if act.dose is not None and act.unit is not None:
            value |= {"dose": act.dose, "unit": act.unit}
        return value

    def _laboratory(self, number: int, draw: Draw, draw_ms: int) -> tuple[int, dict[str, object]]:
        due_ms, values, units = self._wire.laboratory(draw, draw_ms)
        value: dict[str, object] = {
            "type": "observation", "patient_id": self._id, "time": rfc3339_one(draw_ms),
            "values": values, "event_id": self._event_id(f"l{number}"),
            "source": f"laboratory/{draw.panel}", "received_time": rfc3339_one(due_ms),
        }  # fmt: skip
        if units:
            value["units"] = units
        return due_ms, value

    def _event_id(self, tag: str) -> str:
        return f"{self._id}.{self._stay.index}.{tag}"

    def _row_messages(self, sent: Sent) -> list[Message]:
        """Monitor rows as messages: the simulator's hot loop, plain Python on plain lists."""
        messages: list[Message] = []
        patient_id, prefix = self._id, self._event_id("m")
        source = "monitor/cuff" if self._wire.cuff else "monitor/arterial"
        units = OTHER_MONITOR_UNITS if self._wire.other_units else {}
        received = rfc3339(sent.due_ms) if sent.held_up.any() else []
        columns = zip(
            sent.number.tolist(), rfc3339(sent.time_ms), sent.due_ms.tolist(),
            sent.repeat_ms.tolist(), sent.held_up.tolist(), sent.values.tolist(), strict=True,
        )  # fmt: skip
        for i, (number, time, due_ms, again_ms, held_up, row) in enumerate(columns):
            # NaN is the one value unequal to itself.
            values = {name: x for name, x in zip(MONITOR, row, strict=True) if x == x}  # noqa: PLR0124
            value: dict[str, object] = {
                "type": "observation", "patient_id": patient_id, "time": time, "values": values,
                "event_id": f"{prefix}{number}", "source": source,
            }  # fmt: skip
            if units:
                named = {name: unit for name, unit in units.items() if name in values}
                if named:
                    value["units"] = named
            if held_up:
                value["received_time"] = received[i]
            messages.append(Message(due_ms, "vitals", patient_id, value))
            if again_ms >= 0:
                messages.append(Message(again_ms, "vitals", patient_id, value))
        return messages
