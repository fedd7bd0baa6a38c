from __future__ import annotations

import numpy as np
import pytest

from streamer.core.clinical_scores import COMPONENTS, news2, qsofa
from streamer.core.variables import INDEX, N_VARIABLES

# NEWS2, Royal College of Physicians 2017: both sides of every edge of the chart.
NEWS2: dict[str, dict[float, int]] = {
    "resp_rate": {1: 3, 8: 3, 9: 1, 11: 1, 12: 0, 20: 0, 21: 2, 24: 2, 25: 3, 80: 3},
    "spo2": {50: 3, 91: 3, 92: 2, 93: 2, 94: 1, 95: 1, 96: 0, 100: 0},
    "sbp": {20: 3, 90: 3, 91: 2, 100: 2, 101: 1, 110: 1, 111: 0, 219: 0, 220: 3, 300: 3},
    "heart_rate": {10: 3, 40: 3, 41: 1, 50: 1, 51: 0, 90: 0, 91: 1, 110: 1, 111: 2, 130: 2,
                   131: 3, 300: 3},
    "temperature": {30: 3, 35.0: 3, 35.1: 1, 36.0: 1, 36.1: 0, 38.0: 0, 38.1: 1, 39.0: 1,
                    39.1: 2, 44: 2},
}  # fmt: skip
AIR = np.array([False])


def last(**values: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    row = np.full((1, N_VARIABLES), np.nan, np.float32)
    for name, value in values.items():
        row[0, INDEX[name]] = value
    return row


@pytest.mark.parametrize(
    ("name", "value", "points"),
    [(name, value, points) for name, chart in NEWS2.items() for value, points in chart.items()],
)
def test_news2_at_every_edge(name: str, value: float, points: int) -> None:
    assert news2(last(**{name: value}), AIR).tolist() == [points]
    assert news2(last(**{name: value}), ~AIR).tolist() == [points + 2]


def test_news2_reaches_17_and_0() -> None:
    worst = last(resp_rate=25, spo2=91, sbp=90, heart_rate=131, temperature=35)
    best = last(resp_rate=12, spo2=96, sbp=111, heart_rate=51, temperature=36.1)
    charts = np.concatenate([worst, best, last()])
    assert news2(charts, np.array([True, False, False])).tolist() == [17, 0, 0]


@pytest.mark.parametrize(
    ("sbp", "resp_rate", "points"),
    [(100, 21, 1), (101, 21, 0), (101, 22, 1), (100, 22, 2), (np.nan, 22, 1), (100, np.nan, 1),
     (np.nan, np.nan, 0), (100.5, 21.5, 0)],
)  # fmt: skip
def test_qsofa_at_every_edge(sbp: float, resp_rate: float, points: int) -> None:
    assert qsofa(last(sbp=sbp, resp_rate=resp_rate)).tolist() == [points]


def test_the_components_are_those_of_the_charts() -> None:
    assert set(COMPONENTS) == {INDEX[name] for name in NEWS2}
