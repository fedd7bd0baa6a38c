"""Aggregates of the public PhysioNet 2019 data: figures of its variables, and of its stays.

`public_2019.json` holds aggregates alone, and a Bloom filter of what was measured in the stays that
the shipped bundle was fitted on. It is computed from the public files by
`python -m bench.public_reference`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final, TypedDict, cast

FILE: Final = Path(__file__).with_name("public_2019.json")


class VariableFigures(TypedDict):
    """One variable over all hours, before cleaning.

    Attributes:
        present: share of the hours that have a value.
        dropped: share of the values that cleaning makes missing.
        zeros: share of the values that are 0.
        commonest: share of the values that are the commonest one.
        repeated: share of the values that equal the one of the hour before.
        quantiles: of the kept values, at ``QUANTILES``.
    """

    present: float
    dropped: float
    zeros: float
    commonest: float
    repeated: float
    quantiles: list[float]


class StayFigures(TypedDict):
    """Stays and labels.

    Attributes:
        n_patients: stays.
        septic: share of the stays that have a positive hour.
        hours_median: median length.
        positive_hours_median: median positive hours of a septic stay.
        positive_from_start: share of the septic stays that are positive in their first row.
        starts_late: share of the stays whose first row is not the first hour.
    """

    n_patients: int
    septic: float
    hours_median: float
    positive_hours_median: float
    positive_from_start: float
    starts_late: float


class Public2019(TypedDict):
    """The content of the file.

    Attributes:
        model: id of the shipped bundle whose stays ``seen_content`` holds.
        seen_content: Bloom filter as ``training_patients.SeenPatients.to_text``.
        variables: figures by name.
        stays: figures of stays and labels.
    """

    model: str
    seen_content: str
    variables: dict[str, VariableFigures]
    stays: StayFigures


NOTHING_KNOWN: Final[VariableFigures] = {
    "present": 0.0,
    "dropped": 0.0,
    "zeros": 0.0,
    "commonest": 0.0,
    "repeated": 0.0,
    "quantiles": [],
}
"""Of a variable that the public data do not have."""


def public_figures(name: str) -> VariableFigures:
    """The figures of a variable; ``NOTHING_KNOWN`` of one of a task's own."""
    return public_2019()["variables"].get(name, NOTHING_KNOWN)


@cache
def public_2019() -> Public2019:
    """Reads the file."""
    return cast(Public2019, json.loads(FILE.read_text()))
