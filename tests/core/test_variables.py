from __future__ import annotations

import math
import re

import numpy as np
import pytest

from streamer.core.variables import (
    FIO2,
    HIGH,
    INDEX,
    LOW,
    N_VARIABLES,
    VARIABLES,
    Conversion,
    Variable,
    fio2_fraction,
    to_canonical,
)
from tests.support.paths import ROOT

CHALLENGE = (
    "HR O2Sat Temp SBP MAP DBP Resp EtCO2 BaseExcess HCO3 FiO2 pH PaCO2 SaO2 AST BUN Alkalinephos "
    "Calcium Chloride Creatinine Bilirubin_direct Glucose Lactate Magnesium Phosphate Potassium "
    "Bilirubin_total TroponinI Hct Hgb PTT WBC Fibrinogen Platelets"
)
CODES = [(v.name, code) for v in VARIABLES for code in (v.loinc, *v.loinc_also)]


def luhn(code: str) -> bool:
    """The mod-10 test of a code's check digit, the one after the hyphen."""
    digits = [int(d) for d in reversed(code.replace("-", ""))]
    doubled = sum(sum(divmod(2 * d, 10)) for d in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0


@pytest.mark.parametrize(("name", "code"), CODES)
def test_each_loinc_code_has_its_check_digit(name: str, code: str) -> None:
    assert re.fullmatch(r"\d{3,5}-\d", code), name
    assert luhn(code), name


@pytest.mark.parametrize("code", ["19834-0", "3173-0", "3255-5", "3150-6"])
def test_the_check_finds_codes_that_are_often_misquoted(code: str) -> None:
    assert not luhn(code)


def test_the_table_has_the_order_of_the_challenge() -> None:
    assert " ".join(v.challenge for v in VARIABLES) == CHALLENGE
    assert N_VARIABLES == len(INDEX) == 34


def test_limits_are_in_order_and_no_code_of_a_device_stands_twice() -> None:
    assert (LOW < HIGH).all()
    devices = [v.mdc for v in VARIABLES if v.mdc is not None]
    assert len(devices) == len(set(devices))
    # A logarithm is taken of 1 + value.
    assert all(v.low >= 0 for v in VARIABLES if v.log_scale)


@pytest.mark.parametrize(
    ("name", "value", "unit", "canonical"),
    [
        ("temperature", 98.6, "[degF]", 37.0),
        ("temperature", 212.0, "[degF]", 100.0),
        ("heart_rate", 80, "bpm", 80),
        ("heart_rate", 80, "{beats}/min", 80),
        ("resp_rate", 18, "{breaths}/min", 18),
        ("sbp", 16, "kPa", 120.01),
        ("paco2", 5.3, "kPa", 39.75),
        ("etco2", 4.0, "kPa", 30.0),
        ("bicarbonate", 24, "meq/L", 24),
        ("potassium", 4.1, "meq/L", 4.1),
        ("chloride", 100, "meq/L", 100),
        ("base_excess", -3, "meq/L", -3),
        # Molar masses in g/mol: urea nitrogen 28.01, calcium 40.08, creatinine 113.12,
        # bilirubin 584.66, glucose 180.16, lactic acid 90.08, magnesium 24.31, phosphorus 30.97.
        ("bun", 10, "mmol/L", 28.01),
        ("calcium", 2.4, "mmol/L", 9.62),
        ("creatinine", 100, "umol/L", 1.1312),
        ("bilirubin_total", 20, "umol/L", 1.169),
        ("bilirubin_direct", 20, "umol/L", 1.169),
        ("glucose", 5.5, "mmol/L", 99.09),
        ("lactate", 18.016, "mg/dL", 2.0),
        ("magnesium", 0.85, "mmol/L", 2.066),
        ("phosphate", 1.2, "mmol/L", 3.717),
        ("troponin_i", 40, "ng/L", 0.04),
        ("hemoglobin", 135, "g/L", 13.5),
        ("fibrinogen", 3.5, "g/L", 350),
        ("wbc", 9.1, "10*9/L", 9.1),
        ("platelets", 210, "10*9/L", 210),
    ],
)
def test_conversions(name: str, value: float, unit: str, canonical: float) -> None:
    # The table's factors have three digits, as clinical tables do: half a percent holds them all.
    assert to_canonical(VARIABLES[INDEX[name]], value, unit) == pytest.approx(canonical, rel=5e-3)


def test_every_conversion_of_the_table_was_looked_at() -> None:
    tested = {
        mark.args[1][i][0]: mark.args[1][i][2]
        for mark in test_conversions.pytestmark  # type: ignore[attr-defined]  # set by pytest
        for i in range(len(mark.args[1]))
    }
    untested = {v.name for v in VARIABLES if v.conversions} - tested.keys()
    assert untested == {"map", "dbp", "fio2"}  # kPa as for sbp; fio2 below


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda v: v.name)
def test_the_canonical_unit_changes_nothing_and_no_other_is_guessed(variable: Variable) -> None:
    assert to_canonical(variable, 12.5, variable.ucum) == 12.5
    assert to_canonical(variable, 12.5, "furlong") is None
    assert to_canonical(variable, 12.5, "") is None


@pytest.mark.parametrize(
    ("charted", "fraction"),
    [(0.2, 0.2), (0.21, 0.21), (1.0, 1.0), (20, 0.2), (21, 0.21), (100, 1.0),
     (1.5, 1.5), (19.9, 19.9), (100.1, 100.1), (0.0, 0.0)],
)  # fmt: skip
def test_fio2_is_a_fraction_or_a_percentage_by_its_size(charted: float, fraction: float) -> None:
    assert fio2_fraction(np.array([charted])).tolist() == [fraction]
    assert to_canonical(VARIABLES[FIO2], charted, "%") == charted


def _quantity(unit: str, conversion: Conversion) -> str:
    """A unit of the document's table with its factor to the canonical unit."""
    if conversion.offset:
        return f"`{unit}` (x - 32) · 5/9"
    if conversion.factor == 1:
        return f"`{unit}`"
    divisor = 1 / conversion.factor
    is_divisor = divisor > 1 and math.isclose(divisor, round(divisor, 2), rel_tol=1e-12)
    return f"`{unit}` / {divisor:.6g}" if is_divisor else f"`{unit}` · {conversion.factor:.10g}"


def test_the_document_has_the_table() -> None:
    lines = (ROOT / "docs/variables.md").read_text().splitlines()
    rows = [line for line in lines if re.match(r"\| \d", line)]
    assert rows == [
        f"| {column} | `{v.name}` | {v.display} | `{v.ucum}` | "
        + (", ".join(_quantity(*item) for item in v.conversions.items()) or "-")
        + f" | {v.low:g} | {v.high:g} | {', '.join((v.loinc, *v.loinc_also))} | "
        + ("vital |" if v.is_vital else "log |" if v.log_scale else "|")
        for column, v in enumerate(VARIABLES)
    ]
