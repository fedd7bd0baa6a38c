from __future__ import annotations

import numpy as np
import pytest

from streamer.core.variables import INDEX, N_VARIABLES
from trainer.data.clinical_scores import (
    Chart,
    mews_score,
    news2_score,
    organ_scores,
    qsofa_score,
    sirs_score,
    sofa_score,
)

ILL = {
    "heart_rate": 125,
    "sbp": 84,
    "map": 62,
    "resp_rate": 27,
    "temperature": 38.7,
    "spo2": 92,
    "fio2": 0.4,
    "wbc": 15.2,
    "platelets": 88,
    "creatinine": 2.4,
    "bilirubin_total": 1.4,
}


def chart(*hours: dict[str, float]) -> Chart:
    """One stay, hour after hour."""
    values = np.full((len(hours), N_VARIABLES), np.nan, np.float32)
    for row, measured in zip(values, hours, strict=True):
        for name, value in measured.items():
            row[INDEX[name]] = value
    return Chart.read(values, np.arange(len(hours)))


def test_scores_of_a_septic_patient_worked_by_hand() -> None:
    ill = chart(ILL)
    assert sirs_score(ill).tolist() == [4]  # temperature, pulse, respiration, white cells
    assert qsofa_score(ill).tolist() == [2]  # SBP <= 100, respiration >= 22
    assert mews_score(ill).tolist() == [1 + 2 + 2 + 2]  # SBP, pulse, respiration, temperature
    assert news2_score(ill).tolist() == [2 + 3 + 2 + 3 + 2 + 1]  # O2, resp, SpO2, SBP, pulse, temp
    assert organ_scores(ill).tolist() == [[2, 1, 1, 2, 2]]  # SpO2 / FiO2 is 230
    assert sofa_score(ill).tolist() == [8]


def test_what_was_not_measured_counts_as_normal() -> None:
    nothing = chart({})
    for score in (sirs_score, qsofa_score, mews_score, news2_score, sofa_score):
        assert score(nothing).tolist() == [0]


def test_a_value_counts_for_a_day() -> None:
    stay = chart({"creatinine": 5.5, "temperature": 39, "fio2": 0.5}, *[{}] * 25)
    assert sofa_score(stay).tolist() == [4] * 25 + [0]
    assert sirs_score(stay).tolist() == [1] * 25 + [0]
    # Oxygen is counted in hour bins, of which a day has 24, as in the streamer.
    assert news2_score(stay).tolist() == [3] * 24 + [1, 0]


def test_oxygen_that_was_turned_off_counts_for_a_day() -> None:
    stay = chart({"fio2": 0.5}, {"fio2": 0.21})
    assert news2_score(stay).tolist() == [2, 2]
    assert news2_score(chart({"fio2": 0.21})).tolist() == [0]


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("sbp", {70: 3, 71: 2, 80: 2, 81: 1, 100: 1, 101: 0, 199: 0, 200: 2}),
        (
            "heart_rate",
            {40: 2, 41: 1, 50: 1, 51: 0, 100: 0, 101: 1, 110: 1, 111: 2, 129: 2, 130: 3},
        ),
        ("resp_rate", {8: 2, 9: 0, 14: 0, 15: 1, 20: 1, 21: 2, 29: 2, 30: 3}),
        ("temperature", {34.9: 2, 35: 0, 38.4: 0, 38.5: 2}),
    ],
)
def test_mews_at_the_edges_of_its_bands(name: str, points: dict[float, int]) -> None:
    points_by_value = {value: int(mews_score(chart({name: value}))[0]) for value in points}
    assert points_by_value == points


@pytest.mark.parametrize(
    ("name", "organ", "points"),
    [
        ("platelets", 0, {150: 0, 149: 1, 100: 1, 99: 2, 50: 2, 49: 3, 20: 3, 19: 4}),
        ("bilirubin_total", 1, {1.1: 0, 1.2: 1, 1.9: 1, 2: 2, 5.9: 2, 6: 3, 11.9: 3, 12: 4}),
        ("map", 2, {70: 0, 69: 1, 30: 1}),
        ("creatinine", 3, {1.1: 0, 1.2: 1, 1.9: 1, 2: 2, 3.4: 2, 3.5: 3, 4.9: 3, 5: 4}),
    ],
)
def test_sofa_at_the_edges_of_its_bands(name: str, organ: int, points: dict[float, int]) -> None:
    points_by_value = {value: int(organ_scores(chart({name: value}))[0, organ]) for value in points}
    assert points_by_value == points


def test_the_lungs_need_both_values_and_reach_two_points() -> None:
    def lungs(**values: float) -> float:
        return float(organ_scores(chart(values))[0, 4])

    assert lungs(spo2=70) == lungs(fio2=1.0) == 0
    assert lungs(spo2=98, fio2=0.2) == 1  # 490; below the normal of healthy lungs on room air
    assert lungs(spo2=96, fio2=0.5) == 2
    assert lungs(spo2=60, fio2=1.0) == 2


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ({"temperature": 38.0, "heart_rate": 90, "resp_rate": 20, "wbc": 12, "paco2": 32}, 0),
        ({"temperature": 35.9}, 1),
        ({"wbc": 3.9, "paco2": 31, "resp_rate": 12}, 2),
        ({"resp_rate": 21, "paco2": 31}, 1),
    ],
)
def test_sirs_criteria(values: dict[str, float], points: int) -> None:
    assert sirs_score(chart(values)).tolist() == [points]
