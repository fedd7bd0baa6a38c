"""Which measurement a person wants to follow: ``lactate``, or ``lactate@30``."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.core.variables import INDEX
from trainer.errors import InputError


@dataclass(frozen=True, slots=True)
class Followed:
    """A variable (index into ``VARIABLES``) and the hour (ICULOS) of its measurement.

    Without an hour the newest one at the peak of the risk is meant, or else the first.
    """

    variable: int
    hour: int | None = None


def parse(words: str) -> Followed:
    """Reads ``VARIABLE`` or ``VARIABLE@HOUR``.

    Raises:
        InputError: no such variable, or no hour.

    >>> parse("spo2@30")
    Followed(variable=1, hour=30)
    """
    name, at, hour = words.partition("@")
    if name not in INDEX:
        raise InputError(f"no variable {name!r}; there are {', '.join(INDEX)}")
    if at and not hour.isdecimal():
        raise InputError(f"{hour!r} is no hour; write {name}@30, or {name}")
    return Followed(INDEX[name], int(hour) if at else None)
