"""One finding of `streamer check`: what was checked, how good it is, and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How good a finding is; with one that is bad the service would not work."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check.

    Attributes:
        check: what was checked, in one word.
        level: how good it is.
        message: the state of it, and the way out where it is not good.
    """

    check: str
    level: Level
    message: str
