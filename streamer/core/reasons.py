"""Why an event is rejected, and why a value becomes missing: one typed list each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a whole event goes to the rejected topic; the text is the ``reason`` header."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    INVALID_UTF8 = "invalid_utf8"
    WRONG_TYPE = "wrong_type"
    NO_PATIENT = "no_patient"
    NO_TIME = "no_time"
    BAD_TIME = "bad_time"
    NO_KEY = "no_key"
    KEY_MISMATCH = "key_mismatch"
    FUTURE_TIME = "future_time"
    TOO_LATE = "too_late"
    BEFORE_ADMISSION = "before_admission"
    NO_STAY = "no_stay"
    OTHER_PARTITION = "other_partition"
    UNREADABLE = "unreadable"

    @property
    def sentence(self) -> str:
        """What the reason means and what the sender can do, for people."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.EMPTY: "The record has no value.",
    Reason.TOO_LARGE: "The value is over 64 KiB; send one event a record.",
    Reason.NOT_JSON: "The value is not one JSON object.",
    Reason.INVALID_UTF8: "The key or the value is not valid UTF-8.",
    Reason.WRONG_TYPE: "A field has the wrong type; `detail` names it.",
    Reason.NO_PATIENT: "`patient_id` is absent, empty or over 128 characters.",
    Reason.NO_TIME: "`time` is absent.",
    Reason.BAD_TIME: "`time` is neither RFC 3339 with an offset nor epoch milliseconds.",
    Reason.NO_KEY: "The record has no key; the key must be the patient id.",
    Reason.KEY_MISMATCH: "The key is not the patient id, so the event may be on a wrong partition.",
    Reason.FUTURE_TIME: "`time` is further ahead of the record's timestamp than allowed.",
    Reason.TOO_LATE: "The event is for an hour that is more than 48 hours closed, or a past stay.",
    Reason.BEFORE_ADMISSION: "The event is earlier than the ICU admission of the stay.",
    Reason.NO_STAY: "A discharge of a patient who was not admitted nor observed before it.",
    Reason.OTHER_PARTITION: "The patient's stay lives on another partition: producers hash keys "
    "differently; give all of them one partitioner.",
    Reason.UNREADABLE: "The record's batch cannot be decompressed or read; `detail` says why.",
}


class ValueProblem(StrEnum):
    """Why one value of an otherwise good event becomes missing or is skipped."""

    NOT_FINITE = "not_finite"
    OUT_OF_LIMITS = "out_of_limits"
    UNKNOWN_UNIT = "unknown_unit"
    UNKNOWN_VARIABLE = "unknown_variable"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused event: which record of the batch, why, and the particulars for a person."""

    record: int
    reason: Reason
    detail: str
