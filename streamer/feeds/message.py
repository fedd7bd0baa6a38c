"""`Message`: one message of a feed, before it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Topic: TypeAlias = Literal["vitals", "outcomes"]


@dataclass(frozen=True, slots=True)
class Message:
    """One event or outcome of a feed.

    Attributes:
        due_ms: epoch milliseconds of feed time at which it is to be sent.
        topic: its topic, by the default name.
        key: the patient id.
        value: the JSON object of the event.
    """

    due_ms: int
    topic: Topic
    key: str
    value: dict[str, object]
