"""The outcome of a batch as JSON messages with CloudEvents headers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from streamer.core.actions import ACTION_MAC
from streamer.core.alert_messages import Content
from streamer.core.alert_writer import AlertWriter
from streamer.core.alerts import Phase
from streamer.core.answers import RESPONSE_PHASES, Answer
from streamer.core.assessment import EXPECTED, SHOWN, Assessments
from streamer.core.dead_letters import REPLAYED_OF, TRACEPARENT, kept
from streamer.core.forecast import DIGITS, FORECAST_VITALS, HOURS
from streamer.core.lstm_network import HORIZONS
from streamer.core.model import Model
from streamer.core.reasons import Rejection
from streamer.core.records import Record, Records
from streamer.core.scored_batch import Outcome
from streamer.core.stay_notices import StayNotice
from streamer.core.stays import StayTable
from streamer.core.time import LATEST_MS, MINUTE_MS, rfc3339
from streamer.core.variables import VARIABLES

SOURCE: Final = b"/vigil/streamer"
_VERSION: Final = ("ce_specversion", b"1.0")
_SOURCE: Final = ("ce_source", SOURCE)
_JSON: Final = ("content-type", b"application/json")
_TYPES: Final = {
    kind: (kind.encode(), ("ce_type", b"vigil." + kind.encode()))
    for kind in ("risk", "alert", "stay", "verdict")
}
_EXPECTED_NAMES: Final = [VARIABLES[v].name for v in EXPECTED]
_SHOWN_NAMES: Final = [VARIABLES[v].name for v in SHOWN]
_SHOWN_DIGITS: Final = 3  # of a float32; more than any monitor or laboratory reports
Source: TypeAlias = tuple[int, int, int]
"""Index in the batch, partition and offset of the record behind a message."""

_BIT: Final = 1 << np.arange(len(EXPECTED))


ForecastContent: TypeAlias = dict[str, list[int] | dict[str, list[float]] | None]
"""The hours ahead, and for each vital sign median, low and high; ``None``: never measured."""


MessageKind: TypeAlias = Literal["risk", "alert", "stay", "verdict"]


class Message(NamedTuple):
    """One message to be sent: what kind, because of which record of the batch, key, content.

    ``content`` is empty for a tombstone: what was said under the key before is over.
    """

    kind: MessageKind
    record: int
    key: bytes
    content: Content

    def value(self) -> bytes | None:
        """The message's bytes on the wire."""
        return orjson.dumps(self.content) if self.content else None


@cache
def _names(code: int) -> tuple[str, ...]:
    """The names of the expected variables whose bit is set."""
    return tuple(name for bit, name in enumerate(_EXPECTED_NAMES) if code >> bit & 1)


def write(
    outcome: Outcome,
    event_record: Sequence[int] | NDArray[np.intp],
    records: Sequence[Record],
    model: Model,
    table: StayTable,
    *,
    has_risks: bool = True,
) -> list[Message]:
    """Writes all messages of a batch in the order of its records, a risk before its alert.

    Args:
        outcome: of the batch.
        event_record: for each event of the batch, its index in ``records``.
        records: the batch.
        model: the one that spoke.
        table: the stays after the batch; each keeps the last message of its alert.
        has_risks: whether risks are written; what the stays keep needs none.
    """
    columns, record_of = Records.of(records), np.asarray(event_record, np.intp)
    writer = AlertWriter(model, table)
    messages: list[Message] = []
    notices = deque(outcome.notices)

    def source_of(event: int) -> tuple[int, tuple[int, int]]:
        record = int(record_of[event])
        return record, (columns.partition.item(record), columns.offset.item(record))

    def write_notice(notice: Answer | StayNotice) -> None:
        record, position = source_of(notice.event)
        for kind, content in writer.notice(notice, position):
            messages.append(Message(kind, record, notice.patient.encode(), content))

    for n_before, wave in enumerate(outcome.assessments):
        while notices and notices[0].after <= n_before:
            write_notice(notices.popleft())
        if wave.says_risk and has_risks:
            behind = record_of[wave.event]
            positions = columns.partition[behind].tolist(), columns.offset[behind].tolist()
            sources: list[Source] = list(zip(behind.tolist(), *positions, strict=True))
            messages += _risks(wave, sources, model)
        for row in np.flatnonzero(wave.phase != Phase.NONE).tolist():
            record, position = source_of(int(wave.event[row]))
            content = writer.alert(wave, row, position)
            messages.append(Message("alert", record, wave.patients[row].encode(), content))
    for notice in notices:
        write_notice(notice)
    writer.keep()
    messages.sort(key=itemgetter(1))  # by record; stable: the risk stays before its alert
    return _last_of_each_stay(messages)


def _risks(wave: Assessments, sources: Sequence[Source], model: Model) -> Iterator[Message]:
    threshold, model_id = model.threshold, model.shown_id
    codes = (wave.missing @ _BIT).tolist()
    shown = wave.shown.astype(np.float64).round(_SHOWN_DIGITS).tolist()
    ages = (wave.shown_age_ms // MINUTE_MS).tolist()  # below 0: never measured
    forecasts = [None] * len(codes) if wave.forecast is None else _forecasts(wave.forecast)
    for (
        source,
        patient,
        time_ms,
        bin_,
        risks,
        news2,
        qsofa,
        hours,
        oldest_ms,
        code,
        values,
        minutes,
        forecast,
    ) in zip(
        sources,
        wave.patients,
        wave.time_ms.tolist(),
        wave.bins.tolist(),
        wave.risks.tolist(),
        wave.news2.tolist(),
        wave.qsofa.tolist(),
        wave.hours_of_data.tolist(),
        wave.oldest_vital_ms.tolist(),
        codes,
        shown,
        ages,
        forecasts,
        strict=True,
    ):
        record, partition, offset = source
        risk = risks[0]
        content = {
            "patient_id": patient,
            "time": rfc3339(time_ms),
            "bin": bin_,
            "risk": risk,
            "horizons": dict(zip(HORIZONS, risks, strict=True)),
            "threshold": threshold,
            "positive": risk > threshold,
            "qsofa": qsofa if qsofa >= 0 else None,
            "data": {
                "hours_of_data": hours,
                "oldest_vital_minutes": oldest_ms // MINUTE_MS if oldest_ms >= 0 else None,
                "values_missing": list(_names(code)),
            },
            "news2": news2 if news2 >= 0 else None,
            "last": {
                name: [value, age]
                for name, value, age in zip(_SHOWN_NAMES, values, minutes, strict=True)
                if age >= 0
            },
            "model": model_id,
            "partition": partition,
            "offset": offset,
        }
        if forecast is not None:
            content["forecast"] = forecast
        yield Message("risk", record, patient.encode(), content)


def _forecasts(quantiles: NDArray[np.float32]) -> list[ForecastContent]:
    """The forecasts ``(n, 5, 6, 3)`` as messages have them; ``None``: never measured."""
    forecasts: list[ForecastContent] = [{"hours": list(HOURS)} for _ in quantiles]
    for index, (name, digits) in enumerate(zip(FORECAST_VITALS, DIGITS, strict=True)):
        vital = quantiles[:, index].astype(np.float64).round(digits)
        known = ~np.isnan(vital[:, 0, 1])
        for forecast, is_known, (low, median, high) in zip(
            forecasts, known.tolist(), vital.transpose(0, 2, 1).tolist(), strict=True
        ):
            forecast[name] = {"median": median, "low": low, "high": high} if is_known else None
    return forecasts


def headers(message: Message, record: Record) -> list[tuple[str, bytes]]:
    """Returns the CloudEvents 1.0 binary-mode headers of a message, and the trace it belongs to.

    The id follows from the input record, so a message that is read twice can be told. It has the
    time, since an event that begins a stay may also end the alert of the one before.
    """
    stamp = _stamp(message, record)
    # Of several stays that are let go at one record of another patient, each has an id of its own.
    whose = b"" if message.key == record.key else b"/" + message.key
    kind, type_ = _TYPES[message.kind]
    phase: str = message.content.get("phase", "")
    if message.kind == "alert" and phase in RESPONSE_PHASES:  # one record may cause several
        whose += b"/" + phase.encode()
    listed = [
        _VERSION,
        ("ce_id", b"%s/%d/%d/%s%s" % (kind, record.partition, record.offset, stamp, whose)),
        _SOURCE,
        type_,
        ("ce_time", stamp),
        ("ce_subject", message.key),
        _JSON,
    ]
    if record.traceparent is not None:
        listed.append(("traceparent", record.traceparent))
    return listed


def _stamp(message: Message, record: Record) -> bytes:
    """The time of a message; a tombstone has that of its record."""
    if not message.content:
        return rfc3339(record.timestamp_ms).encode()
    time: str = message.content["time"]
    return time.encode()


def _last_of_each_stay(messages: list[Message]) -> list[Message]:
    """Leaves out what a stay was for a moment: of the stays said at one record the last counts."""
    last = {(m.record, m.key): i for i, m in enumerate(messages) if m.kind == "stay"}
    if not last:
        return messages
    return [m for i, m in enumerate(messages) if m.kind != "stay" or last[m.record, m.key] == i]


def rejected(
    rejection: Rejection, record: Record, topic: str
) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    """Returns key, value and headers of a refused event.

    The headers say why, where it was, and CloudEvents' as above. The value is passed on as it came,
    as far as a message can hold it, and may be anything, so nothing is said of its content.
    """
    key, value, cut = kept(record.key, record.value)
    # A timestamp may be any number: the nearest that can be written as a date.
    stamp = rfc3339(min(max(0, record.timestamp_ms), LATEST_MS)).encode()
    origin = b"%d/%d" % (record.partition, record.offset)
    listed = [
        ("reason", rejection.reason.encode()),
        ("detail", rejection.detail.encode(errors="replace")),
        ("topic", topic.encode()),
        ("partition", b"%d" % record.partition),
        ("offset", b"%d" % record.offset),
        ("time", stamp),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"rejected/%s/%s" % (origin, stamp)),
        ("ce_source", SOURCE),
        ("ce_type", b"vigil.rejected"),
        ("ce_time", stamp),
        ("ce_subject", origin),
        ("content-type", b"application/octet-stream"),
    ]
    passed_on = (
        (REPLAYED_OF, record.replayed_of),
        (TRACEPARENT, record.traceparent),
        (ACTION_MAC, record.action_mac),
    )
    listed += [(name, header) for name, header in passed_on if header is not None]
    return key, value, listed + cut
