from __future__ import annotations

import numpy as np
import pytest

from streamer.core.cleaning import clean, clean_cells
from streamer.core.variables import BUILT_IN, FIO2, INDEX, N_VARIABLES, VARIABLES

HEART_RATE = INDEX["heart_rate"]


def cell(variable: int, value: float) -> tuple[float, bool, bool]:
    cleaned, not_finite, outside = clean_cells(
        np.array([variable], np.int16), np.array([value], np.float64)
    )
    return float(cleaned[0]), bool(not_finite[0]), bool(outside[0])


@pytest.mark.parametrize("variable", range(N_VARIABLES), ids=[v.name for v in VARIABLES])
def test_limits_are_inclusive(variable: int) -> None:
    limits = VARIABLES[variable].low, VARIABLES[variable].high
    for edge, away in zip(limits, (-np.inf, np.inf), strict=True):
        if edge != VARIABLES[variable].no_value:
            assert cell(variable, edge)[1:] == (False, False)
        beyond = float(np.nextafter(np.float32(edge), np.float32(away)))
        assert cell(variable, beyond)[1:] == (False, True)


@pytest.mark.parametrize(("name", "code"), [("heart_rate", 255.0), ("etco2", 0.0)])
def test_a_code_for_no_value_inside_the_limits_is_missing(name: str, code: float) -> None:
    variable = INDEX[name]
    assert cell(variable, code)[1:] == (False, True)
    assert cell(variable, code + 1)[1:] == (False, False)
    row = np.full((1, N_VARIABLES), np.nan)
    row[0, variable] = code
    assert np.isnan(clean(row)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_told_from_what_is_too_large(value: float) -> None:
    assert cell(HEART_RATE, value)[1:] == (True, False)
    assert cell(HEART_RATE, np.copysign(1e300, value))[1:] == (False, True)
    assert cell(HEART_RATE, 8_388_607)[1:] == (False, True)  # "no value" of an 11073 gateway


@pytest.mark.parametrize(
    ("charted", "kept"), [(21, 0.21), (0.21, 0.21), (100, 1), (40, 0.4), (5, None), (0.1, None)]
)
def test_fio2(charted: float, kept: float | None) -> None:
    value, _, outside = cell(FIO2, charted)
    assert outside == (kept is None)
    if kept is not None:
        assert value == np.float32(kept)


def test_the_two_forms_agree() -> None:
    rng = np.random.default_rng(1)
    values = np.exp(rng.normal(3, 4, (200, N_VARIABLES))) * rng.choice(
        [-1, 1, 1], (200, N_VARIABLES)
    )
    values[rng.random(values.shape) < 0.05] = np.nan
    values[rng.random(values.shape) < 0.05] = np.inf
    values[0] = 1e300
    variables = np.tile(np.arange(N_VARIABLES, dtype=np.int16), 200)
    cleaned, not_finite, outside = clean_cells(variables, values.ravel())
    cleaned[not_finite | outside] = np.nan
    rows = clean(values)
    assert rows.tobytes() == cleaned.tobytes()
    known = ~np.isnan(rows)
    assert 0.1 < known.mean() < 0.9
    assert ((rows >= BUILT_IN.low) & (rows <= BUILT_IN.high))[known].all()


def test_cleaning_does_not_touch_what_it_is_given_and_knows_one_zero() -> None:
    charted = np.full((1, N_VARIABLES), -0.0)
    cleaned = clean(charted)
    assert np.signbit(charted).all()
    assert not np.signbit(cleaned[~np.isnan(cleaned)]).any()
    assert cleaned[0, INDEX["base_excess"]] == 0
