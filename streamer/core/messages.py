"""The outcome of a batch as JSON messages with CloudEvents headers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import orjson
from numpy.typing import NDArray

from streamer.core.actions import ACTION_MAC
from streamer.core.alert_messages import Content
from streamer.core.alert_writer import AlertWriter
from streamer.core.alerts import Phase
from streamer.core.answers import RESPONSE_PHASES, Answer
from streamer.core.dead_letters import REPLAYED_OF, TRACEPARENT, kept
from streamer.core.model import Model
from streamer.core.reasons import Rejection
from streamer.core.records import Origin, Record, Records
from streamer.core.risk_messages import write_risks
from streamer.core.scored_batch import Outcome
from streamer.core.stay_notices import StayNotice
from streamer.core.stays import StayTable
from streamer.core.time import LATEST_MS, rfc3339

SOURCE: Final = b"/vigil/streamer"
MessageKind: TypeAlias = Literal["risk", "alert", "stay", "verdict"]
Headers: TypeAlias = Sequence[tuple[str, bytes]]

COMMON_HEADERS: Final[Mapping[MessageKind, Headers]] = {
    kind: (
        ("ce_specversion", b"1.0"),
        ("ce_source", SOURCE),
        ("ce_type", b"vigil." + kind.encode()),
        ("content-type", b"application/json"),
    )
    for kind in get_args(MessageKind)
}
"""The headers that all messages of a kind have."""

_KINDS: Final = {kind: kind.encode() for kind in COMMON_HEADERS}


class Message(NamedTuple):
    """One message to be sent.

    Attributes:
        kind: what kind.
        record: because of which record of the batch.
        key: of the message.
        value: JSON; ``None`` for a tombstone: what was said under the key before is over.
        time: as the content has it; empty for a tombstone.
        phase: of an alert, as its content has it.
        severity: the same.
    """

    kind: MessageKind
    record: int
    key: bytes
    value: bytes | None
    time: str
    phase: str = ""
    severity: str = ""

    @property
    def content(self) -> Content:
        """What the JSON says; empty for a tombstone."""
        return {} if self.value is None else orjson.loads(self.value)


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
            messages.append(_message(kind, record, notice.patient, content))

    for n_before, wave in enumerate(outcome.assessments):
        while notices and notices[0].after <= n_before:
            write_notice(notices.popleft())
        if wave.says_risk and has_risks:
            behind = record_of[wave.event]
            positions = columns.partition[behind].tolist(), columns.offset[behind].tolist()
            keys = map(str.encode, wave.patients)
            rows = zip(behind.tolist(), keys, *write_risks(wave, positions, model), strict=True)
            messages += [Message("risk", *row) for row in rows]
        for row in np.flatnonzero(wave.phase != Phase.NONE).tolist():
            record, position = source_of(int(wave.event[row]))
            content = writer.alert(wave, row, position)
            messages.append(_message("alert", record, wave.patients[row], content))
    for notice in notices:
        write_notice(notice)
    writer.keep()
    messages.sort(key=itemgetter(1))  # by record; stable: the risk stays before its alert
    return _last_of_each_stay(messages)


def _message(kind: MessageKind, record: int, patient: str, content: Content) -> Message:
    value = orjson.dumps(content) if content else None
    of_alert = (content["phase"], content["severity"]) if kind == "alert" else ()
    return Message(kind, record, patient.encode(), value, content.get("time", ""), *of_alert)


def headers(message: Message, record: Record) -> list[tuple[str, bytes]]:
    """Returns the CloudEvents 1.0 binary-mode headers of a message, and the trace it belongs to."""
    return [*COMMON_HEADERS[message.kind], *own_headers(message, record.origin)]


def own_headers(message: Message, origin: Origin) -> list[tuple[str, bytes]]:
    """Returns those of the headers that others of its kind do not share.

    The id follows from the input record, so a message that is read twice can be told. It has the
    time, since an event that begins a stay may also end the alert of the one before.
    """
    kind, _, key, _, time, phase, _ = message
    partition, offset, timestamp_ms, record_key, trace = origin
    stamp = (time or rfc3339(timestamp_ms)).encode()  # a tombstone has that of its record
    # Of several stays that are let go at one record of another patient, each has an id of its own.
    whose = b"" if key == record_key else b"/" + key
    if phase in RESPONSE_PHASES:
        whose += b"/" + phase.encode()  # one record may cause several
    listed = [
        ("ce_id", b"%b/%d/%d/%b%b" % (_KINDS[kind], partition, offset, stamp, whose)),
        ("ce_time", stamp),
        ("ce_subject", key),
    ]
    if trace is not None:
        listed.append(("traceparent", trace))
    return listed


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
