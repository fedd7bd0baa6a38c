"""Why an event is rejected, and why a value becomes missing: one typed list each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why a whole event goes to the rejected topic; the text is the ``reason`` header."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    INVALID_UTF8 = "invalid_utf8"
    WRONG_TYPE = "wrong_type"
    DUPLICATE_KEY = "duplicate_key"
    NO_PATIENT = "no_patient"
    BAD_PATIENT = "bad_patient"
    TEST_DATA = "test_data"
    NO_TIME = "no_time"
    BAD_TIME = "bad_time"
    NO_KEY = "no_key"
    KEY_MISMATCH = "key_mismatch"
    FUTURE_TIME = "future_time"
    BAD_TIMESTAMP = "bad_timestamp"
    TOO_LATE = "too_late"
    BEFORE_ADMISSION = "before_admission"
    NO_STAY = "no_stay"
    UNSIGNED_ACTION = "unsigned_action"
    OTHER_PARTITION = "other_partition"
    TOO_MANY_PATIENTS = "too_many_patients"
    UNREADABLE = "unreadable"
    INTERNAL_ERROR = "internal_error"

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
    Reason.DUPLICATE_KEY: "`patient_id`, `time`, `type` or `values` stands twice in the event.",
    Reason.BAD_PATIENT: "`patient_id` has control, format or bidirectional characters, or blanks "
    'at its ends, or is a canary\'s without `processing` `"T"`.',
    Reason.TEST_DATA: "`processing` says test data, and the id is no canary's: nothing tells it "
    "from a patient.",
    Reason.NO_TIME: "`time` is absent.",
    Reason.BAD_TIME: "`time` is neither RFC 3339 with an offset nor epoch milliseconds of 1990 or "
    "later; `detail` says what it looks like.",
    Reason.NO_KEY: "The record has no key; the key must be the patient id.",
    Reason.KEY_MISMATCH: "The key is not the patient id, so the event may be on a wrong partition.",
    Reason.FUTURE_TIME: "`time` is further ahead of the record's timestamp than allowed.",
    Reason.BAD_TIMESTAMP: "The record's own timestamp is beyond 19,000,000,000,000 ms (the year "
    "2572): its producer counts microseconds, or its clock is broken.",
    Reason.TOO_LATE: "The event is for an hour that is more than 48 hours closed, or a past stay.",
    Reason.BEFORE_ADMISSION: "The event is earlier than the ICU admission of the stay.",
    Reason.NO_STAY: "A discharge, a transfer or an action of a patient who was not admitted "
    "nor observed.",
    Reason.UNSIGNED_ACTION: "An action without the signature that `STREAMER_ACTION_KEY` demands.",
    Reason.OTHER_PARTITION: "The patient's stay lives on another partition: producers hash keys "
    "differently; give all of them one partitioner.",
    Reason.TOO_MANY_PATIENTS: "The patient is new, and the partition has had as many patients on "
    "this day as `STREAMER_MAX_PATIENTS_A_DAY` allows; re-enter the event once that is sorted out.",
    Reason.UNREADABLE: "The record's batch cannot be decompressed or read; `detail` says why.",
    Reason.INTERNAL_ERROR: "The program fails on this event; `detail` names the place. Report it, "
    "and re-enter the event after the update.",
}


class ValueProblem(StrEnum):
    """Why one value of an otherwise good event is missing, or not quite what was sent."""

    NOT_A_NUMBER = "not_a_number"
    NOT_FINITE = "not_finite"
    OUT_OF_LIMITS = "out_of_limits"
    CENSORED = "censored"
    UNKNOWN_UNIT = "unknown_unit"
    UNKNOWN_VARIABLE = "unknown_variable"
    UNKNOWN_CODE = "unknown_code"
    NOT_TEXT = "not_text"
    TOO_LONG = "too_long"
    CONFLICT = "conflict"

    @property
    def sentence(self) -> str:
        """What the problem means, for people."""
        return _PROBLEM_SENTENCES[self]


_PROBLEM_SENTENCES = {
    ValueProblem.NOT_A_NUMBER: "It is text, true, false, a list or an object; it is missing.",
    ValueProblem.NOT_FINITE: "It is NaN, infinite or too large for a number; it is missing.",
    ValueProblem.OUT_OF_LIMITS: "It is outside the limits of its variable, or its code for no "
    "value; it is missing.",
    ValueProblem.CENSORED: 'It is a bound such as `"<0.01"`; it is taken at its limit.',
    ValueProblem.UNKNOWN_UNIT: "Its unit is none that the variable comes in; it is missing.",
    ValueProblem.UNKNOWN_VARIABLE: "Its name is none of the 34 variables; it is passed over.",
    ValueProblem.UNKNOWN_CODE: "`sex` or `icu_type` is none of its words; it is missing.",
    ValueProblem.NOT_TEXT: "`ward`, `bed` or `label` is no text; it is missing.",
    ValueProblem.TOO_LONG: "`ward` or `bed` is over 128 characters, or `label` over 40; it is "
    "missing.",
    ValueProblem.CONFLICT: "Another value of the same time and `revision` came; the greater one is "
    "taken. A correction needs a greater `revision`.",
}


class Loss(NamedTuple):
    """What was lost of a value: why, of which variable by the name that came, in which unit."""

    problem: ValueProblem
    variable: str
    unit: str | None


def by_problem(losses: Counter[Loss]) -> Counter[ValueProblem]:
    """How many values were lost for each reason."""
    problems: Counter[ValueProblem] = Counter()
    for loss, count in losses.items():
        problems[loss.problem] += count
    return problems


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused event: which record of the batch, why, and the particulars for a person."""

    record: int
    reason: Reason
    detail: str


class Refusal(StrEnum):
    """Why a published model bundle does not take over; `docs/operations.md` lists them."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    OTHER_CONTENT = "other_content"
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    UNSOUND = "unsound"
    NOT_REPRODUCED = "not_reproduced"

    @property
    def sentence(self) -> str:
        """What the refusal means and the way out, for people."""
        return _REFUSAL_SENTENCES[self]


_REFUSAL_SENTENCES = {
    Refusal.MISSING: "The alias names a model whose bundle is not in Redis.",
    Refusal.UNREADABLE: "The bytes are not a packed bundle, or larger than one may be.",
    Refusal.OTHER_CONTENT: "The content is that of another model than the one it was published as.",
    Refusal.UNSIGNED: "Nobody has signed it, and unsigned models are not allowed.",
    Refusal.UNKNOWN_KEY: "It is signed, by no key that the service was given.",
    Refusal.BAD_SIGNATURE: "It was changed after a key that is trusted had signed it.",
    Refusal.UNSOUND: "A part is missing, out of its bounds, or of another version.",
    Refusal.NOT_REPRODUCED: "Its known inputs do not have their risks here, or it would never "
    "alert, or never stop, or call every hour positive.",
}
