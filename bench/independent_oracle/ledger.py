"""One record of `vitals` by `docs/messages.md`: an event, or the reasons to reject it."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

HOUR_MS: Final = 3_600_000
_MAX_BYTES, _MAX_ID, _OLDEST_MS, _NEWEST_MS = 65_536, 128, 631_152_000_000, 253_402_300_800_000
_LAST_STAMP_MS: Final = 19_000_000_000_000
_RFC3339: Final = re.compile(
    r"(?P<minute>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):(?P<second>\d\d)(?P<fraction>\.\d+)?"
    r"(?P<offset>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
# The fields that an event of a type must have, and their types.
_NEEDED: Final[dict[str, dict[str, type]]] = {
    "observation": {"values": dict},
    "admission": {},
    "discharge": {},
    "transfer": {},
    "action": {},
    "medication": {"drug": str, "action": str},
}


class Record(NamedTuple):
    """A record of the input topic."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    is_unreadable: bool = False  # whoever sent it has seen to that


class Event(NamedTuple):
    """A good event: its type, patient, time and record's time in epoch milliseconds, its fields."""

    type: str
    patient: str
    time_ms: int
    fields: dict[str, object]
    record_ms: int


def read(record: Record, future_limit_ms: int | None) -> Event | set[str]:
    """The event of a record, or every reason for which it may be rejected, at least one."""
    if record.value is None:
        return {"empty", "no_key"} if record.key is None else {"empty"}
    reasons = {"too_large"} if len(record.value) > _MAX_BYTES else set()
    reasons |= {"no_key"} if record.key is None else set()
    reasons |= {"bad_timestamp"} if record.timestamp_ms > _LAST_STAMP_MS else set()
    try:
        key, text = (record.key or b"").decode(), record.value.decode()
    except UnicodeDecodeError:
        return reasons | {"invalid_utf8"}
    repeated: set[str] = set()
    try:
        # Only of the outermost object, which is read last, the repeated names matter.
        content = json.loads(
            text, object_pairs_hook=lambda pairs: _object(pairs, repeated), parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        return reasons | {"not_json"}
    if not isinstance(content, dict):
        return reasons | {"not_json"}
    reasons |= {"duplicate_key"} if repeated else set()
    reasons |= _patient_faults(content.get("patient_id"), key, record.key is not None)
    time_ms = None
    if content.get("time") is None:
        reasons.add("no_time")
    elif (time_ms := epoch_ms(content["time"])) is None:
        reasons |= {"bad_time", "wrong_type"}
    elif future_limit_ms is not None and time_ms > record.timestamp_ms + future_limit_ms:
        reasons.add("future_time")
    kind = content.get("type", "observation")
    needed = _NEEDED.get(kind) if isinstance(kind, str) else None
    if needed is None or any(not isinstance(content.get(f), t) for f, t in needed.items()):
        reasons.add("wrong_type")
    if reasons or time_ms is None:
        return reasons
    return Event(str(kind), str(content["patient_id"]), time_ms, content, record.timestamp_ms)


def epoch_ms(time: object) -> int | None:
    """A time as epoch milliseconds; ``None`` if it has neither of the two forms."""
    if isinstance(time, int) and not isinstance(time, bool):
        return time if _OLDEST_MS <= time < _NEWEST_MS else None
    match = _RFC3339.fullmatch(time) if isinstance(time, str) else None
    if match is None or int(match["second"]) > 60:  # a leap second is the one that follows
        return None
    try:
        minute = datetime.fromisoformat(f"{match['minute']}:00{match['offset']}".upper())
    except ValueError:
        return None
    milliseconds = int((match["fraction"] or ".")[1:4].ljust(3, "0"))
    since = minute - datetime.fromtimestamp(0, UTC)
    return since // timedelta(milliseconds=1) + 1_000 * int(match["second"]) + milliseconds


def _patient_faults(patient: object, key: str, has_key: bool) -> set[str]:
    if patient is None or patient == "":
        return {"no_patient"}
    if not isinstance(patient, str):
        return {"wrong_type", "no_patient"}
    reasons = {"no_patient"} if len(patient) > _MAX_ID else set()
    odd = any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") for c in patient)
    reasons |= {"bad_patient"} if odd or patient != patient.strip() else set()
    return reasons | ({"key_mismatch"} if has_key and key != patient else set())


def _object(pairs: list[tuple[str, object]], repeated: set[str]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    repeated.clear()
    repeated |= {n for n in ("patient_id", "time", "type", "values") if names.count(n) > 1}
    return dict(pairs)


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")
