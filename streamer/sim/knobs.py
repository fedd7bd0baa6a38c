"""Knobs of a scenario: fields of a dataclass with limits, judged all at once."""

from __future__ import annotations

import math
from dataclasses import Field, field, fields
from typing import Any


class ScenarioError(ValueError):
    """A scenario that cannot be simulated; the message lists every fault, one per line."""


def knob(default: float | bool | None, low: float, high: float) -> Any:
    """A dataclass field with inclusive limits; ``Any`` as :func:`dataclasses.field` itself has."""
    return field(default=default, metadata={"low": low, "high": high})


def share(default: float) -> Any:
    """A field from 0 to 1."""
    return knob(default, 0.0, 1.0)


def choice(default: str, *others: str) -> Any:
    """A field that is one of some words."""
    return field(default=default, metadata={"choices": (default, *others)})


def faults_of(knobs: Any, prefix: str) -> list[str]:
    """The knobs that are out of their limits or not of their default's type, a line each."""
    faults = []
    for knob in fields(knobs):
        value: object = getattr(knobs, knob.name)
        fault = _fault(knob, value)
        if fault:
            faults.append(f"{prefix}{knob.name} {fault}; it is {value!r}")
    return faults


def _fault(knob: Field[Any], value: object) -> str | None:
    """What is wrong with a value; ``None`` where nothing is."""
    if isinstance(knob.default, bool):
        return None if isinstance(value, bool) else "must be true or false"
    if "choices" in knob.metadata:
        choices = knob.metadata["choices"]
        return None if value in choices else f"must be one of {', '.join(choices)}"
    if "low" not in knob.metadata or (value is None and knob.default is None):
        return None
    return _out_of_range(knob, value, knob.metadata["low"], knob.metadata["high"])


def _out_of_range(knob: Field[Any], value: object, low: float, high: float) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number from {low:g} to {high:g}"
    if not math.isfinite(value) or not low <= value <= high:
        return f"must lie from {low:g} to {high:g}"
    if isinstance(knob.default, int) and not isinstance(value, int):
        return "must be a whole number"
    return None
