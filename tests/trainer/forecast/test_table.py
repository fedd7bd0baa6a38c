from __future__ import annotations

import pytest

from trainer.forecast.figures import ForecastFigures
from trainer.forecast.table import SHOWN_HOURS, WORDS, forecast_rows

HOURS = [1, 2, 3, 4, 5, 6]


@pytest.fixture
def figures() -> ForecastFigures:
    by_hour: dict[str, object] = {"unit": "/min", "coverage": [0.8] * 6, "width": [12.0] * 6}
    by_hour["mae"] = [4.0, 4.5, 5.0, 5.5, 6.0, 6.5]
    by_hour |= {f"mae_{name}": [8.0] * 6 for name in WORDS}
    return {"hours": HOURS, "heart_rate": by_hour}


def test_a_row_for_each_shown_hour(figures: ForecastFigures) -> None:
    head, *rows = forecast_rows(figures)
    assert [row[:2] for row in rows] == [("heart_rate, /min", str(hour)) for hour in SHOWN_HOURS]
    assert {len(row) for row in rows} == {len(head)}
    cells = dict(zip(head, rows[0], strict=True))
    assert (cells["error"], cells["last value"]) == ("4.00", "8.00")
    assert cells["less than last value"] == cells["less than AR(1), mean"] == "50.0%"
    assert (cells["in the interval"], cells["its width"]) == ("80.0%", "12.00")


def test_a_gain_has_its_interval_where_there_is_one(figures: ForecastFigures) -> None:
    figures["heart_rate"]["mae_minus_last_ci"] = [[-4.8, -3.2]] * 5 + [[None, None]]
    first, *_, last = (row[6] for row in forecast_rows(figures)[1:])
    assert first == "50.0% [40.0%, 60.0%]"
    assert last == "18.8%"
    figures["heart_rate"]["less_than_last_ci"] = [[0.45, 0.56]] * 6
    assert next(row[6] for row in forecast_rows(figures)[1:]) == "50.0% [45.0%, 56.0%]"


def test_a_vital_sign_that_was_never_measured(figures: ForecastFigures) -> None:
    for name, values in figures["heart_rate"].items():
        if name != "unit":
            figures["heart_rate"][name] = [None] * len(values)
    for row in forecast_rows(figures)[1:]:
        assert set(row[2:]) == {"none"}
