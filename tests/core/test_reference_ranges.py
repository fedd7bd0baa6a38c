"""The word beside a value is a clinician's: by range, then by the patient's course."""

from __future__ import annotations

import re

import numpy as np
import pytest

from streamer.core import reference_ranges
from streamer.core.reference_ranges import RANGES, Direction, directions
from streamer.core.variables import INDEX, VARIABLES
from tests.support.paths import ROOT


def word(variable: str, value: float, *earlier: float) -> str:
    earlier_hours = np.array([[*earlier, np.nan]], np.float32)
    newest = np.array([value], np.float32)
    (direction,) = directions(np.array([INDEX[variable]]), newest, earlier_hours)
    return direction.value


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_a_range_lies_within_the_limits_and_both_ends_belong_to_it(variable: object) -> None:
    name = getattr(variable, "name")  # noqa: B009
    low, high = RANGES[name]
    limits = VARIABLES[INDEX[name]]
    assert limits.low <= low < high <= limits.high
    assert word(name, low) == word(name, high) == "normal"
    step = (high - low) / 100
    assert word(name, low - step) == "low"
    assert word(name, high + step) == "high"


@pytest.mark.parametrize(
    ("variable", "value", "earlier", "expected"),
    [
        ("heart_rate", 84, (), "normal"),
        ("heart_rate", 84, (83, 85, np.nan), "normal"),
        ("heart_rate", 84, (60, 62, 61), "rising"),
        ("heart_rate", 60, (84, 85, 60), "falling"),
        ("heart_rate", 118, (130, 130), "high"),
        ("map", 58, (50,), "low"),
        ("lactate", 1.9, (0.9, np.nan, 1.0), "rising"),
        ("lactate", 4.1, (), "high"),
        ("temperature", 35.2, (), "low"),
        ("ph", 7.36, (7.44,), "falling"),
        ("fio2", 0.6, (), "high"),
        ("creatinine", 0.7, (), "normal"),
    ],
)
def test_cases(variable: str, value: float, earlier: tuple[float, ...], expected: str) -> None:
    assert word(variable, value, *earlier) == expected


def test_every_word_is_explained_to_readers() -> None:
    text = (ROOT / "docs/messages.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    assert {d.value: d.sentence for d in Direction}.items() <= rows.items()


def test_the_median_has_the_bits_of_numpy() -> None:
    draws = np.random.default_rng(1)
    values = draws.normal(80, 20, (200, 24)).astype(np.float32)
    values[draws.random(values.shape) < draws.random((200, 1))] = np.nan
    values[0] = np.nan
    medians = reference_ranges._medians(values)
    for row, median in zip(values, medians, strict=True):
        known = row[~np.isnan(row)]
        assert median.tobytes() == np.median(known).tobytes() if len(known) else np.isnan(median)


def test_each_of_many_values_is_judged_as_alone() -> None:
    draws = np.random.default_rng(2)
    variables = draws.integers(0, len(VARIABLES), 300)
    ends = np.array([RANGES[v.name] for v in VARIABLES])[variables]
    earlier = (ends[:, :1] + np.ptp(ends, axis=1)[:, None] * draws.random((300, 24))).astype("f4")
    earlier[draws.random(earlier.shape) < 0.8] = np.nan
    values = (ends[:, 0] + np.ptp(ends, axis=1) * draws.uniform(-0.2, 1.2, 300)).astype("f4")
    together = directions(variables, values, earlier)
    assert [w.value for w in together] == [
        word(VARIABLES[v].name, value, *before)
        for v, value, before in zip(variables.tolist(), values, earlier, strict=True)
    ]
    assert set(together) == set(Direction) - {Direction.TIMING}
