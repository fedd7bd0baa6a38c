"""Assessments as the JSON messages of the `risk` and `alerts` topics, with CloudEvents headers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

import orjson

from streamer.core.alerts import SEVERITIES, Phase
from streamer.core.assessment import EXPECTED, MINUTE_MS, Assessments, Cause
from streamer.core.columns import Record
from streamer.core.model import Model
from streamer.core.network import HORIZONS
from streamer.core.variables import VARIABLES

HORIZON_HOURS: Final = 6
SOURCE: Final = b"/vigil/streamer"
_CONTRIBUTION_DIGITS: Final = 3
_EXPECTED_NAMES: Final = [VARIABLES[v].name for v in EXPECTED]


class Message(NamedTuple):
    """One message to be sent: what kind, because of which record of the batch, key, content."""

    kind: Literal["risk", "alert"]
    record: int
    key: bytes
    content: dict[str, Any]

    def value(self) -> bytes:
        """The message's bytes on the wire."""
        return orjson.dumps(self.content)


def rfc3339(time_ms: int) -> str:
    """Writes epoch milliseconds as the messages do: UTC, a fraction only where there is one.

    >>> rfc3339(1_767_225_600_000), rfc3339(1_767_225_600_250)
    ('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.250Z')
    """
    moment = datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{time_ms % 1000:03d}Z" if time_ms % 1000 else f"{moment}Z"


def write(
    assessments: Iterable[Assessments],
    event_record: Sequence[int],
    records: Sequence[Record],
    model: Model,
) -> list[Message]:
    """Writes all messages of a batch in the order of its records, a risk before its alert.

    Args:
        assessments: of the waves of the batch.
        event_record: for each event of the batch, its index in ``records``.
        records: the batch.
        model: the one that spoke.
    """
    messages: list[Message] = []
    for assessment in assessments:
        messages += _write_wave(assessment, event_record, records, model)
    messages.sort(key=lambda message: message.record)  # stable: the risk stays before its alert
    return messages


def _write_wave(
    wave: Assessments, event_record: Sequence[int], records: Sequence[Record], model: Model
) -> Iterable[Message]:
    columns = zip(
        wave.event.tolist(),
        wave.patients,
        wave.time_ms.tolist(),
        wave.bins.tolist(),
        wave.risks.tolist(),
        wave.phase.tolist(),
        wave.news2.tolist(),
        wave.qsofa.tolist(),
        wave.hours_of_data.tolist(),
        wave.oldest_vital_ms.tolist(),
        wave.missing.tolist(),
        strict=True,
    )
    for row, (
        event, patient, time_ms, bin_, risks, phase, news2, qsofa, hours, oldest_ms, missing
    ) in enumerate(columns):  # fmt: skip
        record = event_record[event]
        source = records[record]
        key = patient.encode()
        time = rfc3339(time_ms)
        common = {
            "news2": news2 if news2 >= 0 else None,
            "model": model.model_id,
            "partition": source.partition,
            "offset": source.offset,
        }
        if wave.says_risk:
            yield Message(
                "risk",
                record,
                key,
                {
                    "patient_id": patient,
                    "time": time,
                    "bin": bin_,
                    "risk": risks[0],
                    "horizons": dict(zip(HORIZONS, risks, strict=True)),
                    "threshold": model.threshold,
                    "positive": risks[0] > model.threshold,
                    "qsofa": qsofa if qsofa >= 0 else None,
                    "data": {
                        "hours_of_data": hours,
                        "oldest_vital_minutes": oldest_ms // MINUTE_MS if oldest_ms >= 0 else None,
                        "values_missing": [
                            name
                            for name, gone in zip(_EXPECTED_NAMES, missing, strict=True)
                            if gone
                        ],
                    },
                    **common,
                },
            )
        if phase != Phase.NONE:
            start = rfc3339(int(wave.alert_start_ms[row]))
            yield Message(
                "alert",
                record,
                key,
                {
                    "alert_id": f"{patient}/{start}/{int(wave.alert_number[row])}",
                    "patient_id": patient,
                    "time": time,
                    "phase": Phase(phase).name.lower(),
                    "severity": SEVERITIES[wave.severity[row]],
                    "risk": risks[0],
                    "threshold": model.policy.medium,
                    "horizon_hours": HORIZON_HOURS,
                    "reasons": [_reason(cause) for cause in wave.causes.get(row, [])],
                    **common,
                },
            )


def headers(message: Message, record: Record) -> list[tuple[str, bytes]]:
    """Returns the CloudEvents 1.0 binary-mode headers of a message, and the trace it belongs to.

    The id follows from the input record, so a message that is read twice can be told. It has the
    time, since an event that begins a stay may also end the alert of the one before.
    """
    content = message.content
    listed = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{message.kind}/{record.partition}/{record.offset}/{content['time']}".encode()),
        ("ce_source", SOURCE),
        ("ce_type", f"vigil.{message.kind}".encode()),
        ("ce_time", content["time"].encode()),
        ("ce_subject", message.key),
        ("content-type", b"application/json"),
    ]
    if record.traceparent is not None:
        listed.append(("traceparent", record.traceparent))
    return listed


def _reason(cause: Cause) -> dict[str, Any]:
    variable = VARIABLES[cause.variable]
    return {
        "variable": variable.name,
        "value": float(f"{cause.value:.6g}"),  # float32 has no more digits than these
        "unit": variable.ucum,
        "age_minutes": cause.age_ms // MINUTE_MS,
        "direction": "high" if cause.high else "low",
        "contribution": round(cause.contribution, _CONTRIBUTION_DIGITS),
    }
