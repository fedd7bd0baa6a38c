"""`Finding`: one thing that the data report says of stays, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How bad a finding is."""

    REFUSAL = "refused"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: how bad it is, its short name, and a sentence with the figures."""

    kind: Kind
    name: str
    text: str
