"""The golden stay: an invented patient who deteriorates, and what the chain must say of him.

The stay is the shortest beginning of a known stay of the bundle in force that raises an alert: a
bundle that takes over has one (`bundles.known_risks`). What must be heard is computed from its
events by the core itself, with the model and the interval of the service, never read from anywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamer.bundles.known_risks import TOLERANCE, KnownStay
from streamer.core.assessment import EndReason
from streamer.core.canary import CANARY_PROCESSING, canary_id
from streamer.core.columns import decode
from streamer.core.demographics import ICU_TYPE_CODES, SEX_CODES
from streamer.core.events import Fields
from streamer.core.messages import write
from streamer.core.model import Model
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.core.time import HOUR_MS, MINUTE_MS
from streamer.core.variables import VariableTable

BACK_MS: Final = 5 * MINUTE_MS
"""Events are so much older than the canary's clock: one that is ahead of the broker's by less
withholds no admission and no discharge. How old they are changes nothing else."""
_DISCHARGED_MS: Final = 1000  # after the last observation
PHASES: Final = ("start", "end")
_LEAST_HOURS: Final = 4
WARD: Final = "TEST"
_ANY_TIME_MS: Final = 1_700_000_000_000  # no risk depends on the time of day


class NoGoldenStay(RuntimeError):
    """The model raises no alert of any known stay with this interval of evaluation."""


@dataclass(frozen=True, slots=True)
class GoldenStay:
    """Particulars of the admission, and for each hour from it the values that were measured."""

    particulars: Fields
    hours: Sequence[Mapping[str, float]]

    def events(self, patient: str, now_ms: int) -> list[Fields]:
        """Returns the stay as events of a patient, whose last hour begins ``BACK_MS`` ago."""
        last_ms = now_ms - BACK_MS
        admitted_ms = last_ms - (len(self.hours) - 1) * HOUR_MS
        events: list[Fields] = [{"type": "admission", "time": admitted_ms, **self.particulars}]
        events += [
            {"type": "observation", "time": admitted_ms + hour * HOUR_MS, "values": dict(values)}
            for hour, values in enumerate(self.hours)
        ]
        events.append({"type": "discharge", "time": last_ms + _DISCHARGED_MS})
        whose: Fields = {"patient_id": patient, "processing": CANARY_PROCESSING}
        return [whose | event for event in events]


@dataclass(frozen=True, slots=True)
class Expected:
    """What one model says of a golden stay.

    Attributes:
        risks: by evaluated bin.
        phases: of alerts, in their order.
        ends_by_discharge: whether the last of them was on until then.
    """

    risks: Mapping[int, float]
    phases: Sequence[str]
    ends_by_discharge: bool


def expected(model: Model, stay: GoldenStay, interval_ms: int) -> Expected:
    """Returns what a service with this model and interval says of a stay."""
    patient = canary_id("expected", 0, 0)
    # All records are of one moment, as those of a canary are: no deadline passes between them.
    records = [
        Record(0, offset, _ANY_TIME_MS, patient.encode(), json.dumps(event).encode())
        for offset, event in enumerate(stay.events(patient, _ANY_TIME_MS))
    ]
    table = StayTable(model.architecture, capacity=1, variables=model.variables)
    columns = decode(records, None, variables=model.variables)
    outcome = Scorer(model, table, interval_ms).score(columns, [0] * len(columns.patients))
    messages = write(outcome, columns.record, records, model, table)
    alerts = [m.content for m in messages if m.kind == "alert"]
    return Expected(
        {m.content["bin"]: m.content["risk"] for m in messages if m.kind == "risk"},
        [alert["phase"] for alert in alerts],
        bool(alerts) and alerts[-1].get("reason") == EndReason.DISCHARGE,
    )


def golden_stay(model: Model, known: Sequence[KnownStay], interval_ms: int) -> GoldenStay:
    """Returns the shortest beginning of a known stay with one alert, on until the discharge.

    It has some hours, so that what the network carries from hour to hour is tried as well; one of
    fewer if no other will do.

    Args:
        model: in force.
        known: the known stays of its bundle.
        interval_ms: of the service.

    Raises:
        NoGoldenStay: there is none.
    """
    for least_hours in (_LEAST_HOURS, 1):
        for stay in sorted(
            _beginnings(model, known, least_hours), key=lambda stay: len(stay.hours)
        ):
            speech = expected(model, stay, interval_ms)
            if tuple(speech.phases) == PHASES and speech.ends_by_discharge:
                return stay
    raise NoGoldenStay(
        f"model {model.shown_id} starts no alert of any of its {len(known)} known stays with an "
        f"evaluation each {interval_ms / 1000:g} s"
    )


def _beginnings(model: Model, known: Sequence[KnownStay], least_hours: int) -> list[GoldenStay]:
    """The known stays up to the hour that starts an alert, by more than risks may differ."""
    beginnings = []
    for stay in known:
        starts = np.flatnonzero(stay.risks[:, 0] > model.policy.medium + TOLERANCE)
        if len(starts):
            n_hours = max(least_hours, int(starts[0]) + 1)
            beginnings.append(_beginning(stay, n_hours, model.variables))
    return beginnings


def _beginning(stay: KnownStay, n_hours: int, variables: VariableTable) -> GoldenStay:
    age, sex, icu_type, hospital_hours = (
        None if math.isnan(number) else number for number in stay.static.tolist()
    )
    particulars: Fields = {
        "ward": WARD,
        "age": age,
        "sex": next((name for name, code in SEX_CODES.items() if code == sex), None),
        "icu_type": next((name for name, code in ICU_TYPE_CODES.items() if code == icu_type), None),
        "hours_since_hospital_admission": hospital_hours,
    }
    return GoldenStay(
        {name: value for name, value in particulars.items() if value is not None},
        [
            {
                name: float(value)
                for name, value in zip(variables.names, row, strict=True)
                if not np.isnan(value)
            }
            for row in stay.values[:n_hours]
        ],
    )
