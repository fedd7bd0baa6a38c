"""The value of ``--follow``: a measurement such as ``lactate`` or ``lactate@30``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from streamer.core.variables import BUILT_IN
from trainer.errors import InputError


@dataclass(frozen=True, slots=True)
class MeasurementArg:
    """A variable, by its name, and the hour (ICULOS) of its measurement.

    Without an hour, the newest measurement at the peak of the risk is meant, or else the first.
    """

    variable: str
    hour: int | None = None


def parse(words: str, names: Collection[str] = BUILT_IN.names) -> MeasurementArg:
    """Reads ``VARIABLE`` or ``VARIABLE@HOUR``.

    Args:
        words: as they were given.
        names: of the model's variables.

    Raises:
        InputError: no such variable, or the hour is not a whole number.

    >>> parse("spo2@30")
    MeasurementArg(variable='spo2', hour=30)
    """
    name, at, hour = words.partition("@")
    if name not in names:
        raise InputError(f"no variable {name!r}; there are {', '.join(names)}")
    if at and not hour.isdecimal():
        raise InputError(f"{hour!r} is not an hour; write {name}@30, or {name}")
    return MeasurementArg(name, int(hour) if at else None)
