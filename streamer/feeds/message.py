"""One message of a feed, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Topic: TypeAlias = Literal["vitals", "outcomes"]


@dataclass(frozen=True, slots=True)
class Message:
    """What a feed has to say, and when.

    Attributes:
        due_ms: epoch milliseconds of feed time at which it is to be sent.
        topic: which topic it is for, by its default name.
        key: the patient id.
        value: the JSON object of the event.
    """

    due_ms: int
    topic: Topic
    key: str
    value: dict[str, object]
