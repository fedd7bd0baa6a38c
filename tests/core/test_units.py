"""Units as people write them, for each variable: what they are in the canonical one."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.units import fold
from streamer.core.variables import INDEX, VARIABLES, to_canonical

# For each variable: a value in its canonical unit, and the same in units as they come.
WRITTEN: Final[dict[str, tuple[float, dict[str, float]]]] = {
    "heart_rate": (80, {
        "/min": 80, "1/min": 80, "min-1": 80, "min^-1": 80, "{beats}/min": 80, "{Beats}/min": 80,
        "beats/min": 80, "Beats/Min": 80, "beats per minute": 80, "bpm": 80, "BPM": 80,
        "/MIN": 80, "MDC_DIM_BEAT_PER_MIN": 80, "Hz": 80 / 60, "{counts}/min": 80, "b/min": 80,
    }),
    "resp_rate": (16, {
        "breaths/min": 16, "{breaths}/min": 16, "br/min": 16, "rpm": 16, "insp/min": 16,
        "breaths per minute": 16, "MDC_DIM_RESP_PER_MIN": 16, "1/min": 16, "brths/min": 16,
    }),
    "spo2": (97, {"%": 97, "percent": 97, "MDC_DIM_PERCENT": 97, "% ": 97, "\uff05": 97,
        "1": 0.97}),
    "temperature": (37, {
        "Cel": 37, "cel": 37, "C": 37, "°C": 37, "℃": 37, "degC": 37, "deg C": 37, "Celsius": 37,
        "degrees C": 37, "MDC_DIM_DEGC": 37, "[degF]": 98.6, "degF": 98.6, "°F": 98.6, "F": 98.6,
        "deg F": 98.6, "℉": 98.6, "Fahrenheit": 98.6, "MDC_DIM_FAHR": 98.6,
        "deg. C": 37, "Grad C": 37, "deg. F": 98.6, "Fahr": 98.6,
    }),
    "map": (75, {
        "mm[Hg]": 75, "mmHg": 75, "mm Hg": 75, "MMHG": 75, "mm(Hg)": 75, "mmhg": 75, "torr": 75,
        "Torr": 75, "MDC_DIM_MMHG": 75, "kPa": 9.99917, "KPA": 9.99917, "hPa": 99.9917,
        "mbar": 99.9917, "MDC_DIM_KILO_PASCAL": 9.99917, "cm[H2O]": 101.964,
        "mm/Hg": 75, "mm of Hg": 75,
    }),
    "sbp": (120, {"mmHg": 120, "kPa": 15.9987}),
    "dbp": (60, {"mmHg": 60, "kPa": 7.99934}),
    "etco2": (38, {"mmHg": 38, "kPa": 5.06625}),
    "base_excess": (-4, {"mmol/l": -4, "mEq/L": -4, "mmol/L": -4}),
    "bicarbonate": (24, {"mmol/l": 24, "meq/l": 24, "MMOL/L": 24, "mEq/L": 24, "mval/l": 24}),
    "fio2": (0.4, {"%": 40, "percent": 40, "1": 0.4, "{fraction}": 0.4, "MDC_DIM_PERCENT": 40,
        "{FiO2}": 0.4}),
    "ph": (7.4, {"[pH]": 7.4, "pH": 7.4, "PH": 7.4, "1": 7.4, "pH units": 7.4, "{pH}": 7.4}),
    "paco2": (40, {"mmHg": 40, "kPa": 5.33289}),
    "sao2": (95, {"%": 95, "1": 0.95}),
    "ast": (40, {
        "U/L": 40, "u/l": 40, "U/l": 40, "IU/L": 40, "[IU]/L": 40, "[iU]/L": 40, "units/L": 40,
        "mU/mL": 40, "ukat/L": 40 / 60, "µkat/L": 40 / 60, "ukat/l": 40 / 60, "U.L-1": 40,
    }),
    "bun": (14, {"mg/dl": 14, "mg/dL": 14, "MG/DL": 14, "mmol/l": 5, "mg/100mL": 14, "mg%": 14}),
    "alkaline_phosphatase": (70, {"U/l": 70, "IU/l": 70, "nkat/L": 70 / 60 * 1000}),
    "calcium": (9.2, {"mg/dl": 9.2, "mmol/l": 9.2 / 4.01, "mEq/L": 9.2 / 2.005}),
    "chloride": (104, {"mmol/l": 104, "mEq/L": 104, "meq/L": 104, "mM": 104}),
    "creatinine": (1.2, {
        "mg/dl": 1.2, "mg/dL": 1.2, "MG/DL": 1.2, "mg/100ml": 1.2, "umol/l": 106.08,
        "umol/L": 106.08, "µmol/L": 106.08, "μmol/l": 106.08, "mcmol/L": 106.08, "UMOL/L": 106.08,
        "micromol/L": 106.08, "mmol/L": 0.10608, "mg.dL-1": 1.2, "mg dL-1": 1.2,
        "mg/dL{serum}": 1.2, "mg per dL": 1.2, "ug/mL": 12, "mcg/mL": 12,
    }),
    "bilirubin_direct": (0.5, {"umol/l": 8.55, "µmol/l": 8.55, "mg/dl": 0.5}),
    "glucose": (126, {"mg/dl": 126, "mmol/l": 7, "mmol/L": 7, "mmol·L⁻¹": 7, "g/L": 1.26}),
    "lactate": (2, {
        "mmol/l": 2, "mmol.L-1": 2, "mmol/dm3": 2, "mol/m3": 2, "mEq/L": 2, "mg/dl": 18.02,
        "MMOL/L": 2, "mmol / L": 2, "mmol/liter": 2, "MDC_DIM_MILLI_MOLE_PER_L": 2,
    }),
    "magnesium": (2, {"mg/dl": 2, "mmol/l": 2 / 2.43, "mEq/L": 4 / 2.43}),
    "phosphate": (3.5, {"mg/dl": 3.5, "mmol/l": 3.5 / 3.10}),
    "potassium": (4.1, {"mmol/l": 4.1, "mEq/L": 4.1, "meq/l": 4.1, "MEQ/L": 4.1, "mEq/l": 4.1}),
    "bilirubin_total": (1, {"umol/l": 17.1, "umol/L": 17.1, "mg/dl": 1, "mg/L": 10}),
    "troponin_i": (0.04, {
        "ng/ml": 0.04, "ng/mL": 0.04, "ug/L": 0.04, "µg/l": 0.04, "mcg/L": 0.04, "ng/l": 40,
        "ng/L": 40, "pg/mL": 40, "pg/ml": 40, "ng/dL": 4,
    }),
    "hematocrit": (42, {"%": 42, "L/L": 0.42, "l/l": 0.42, "1": 0.42, "vol%": 42}),
    "hemoglobin": (13.5, {
        "g/dl": 13.5, "gm/dL": 13.5, "GM/DL": 13.5, "g/l": 135, "g/L": 135, "g%": 13.5,
        "g.dL-1": 13.5, "grams/dL": 13.5,
    }),
    "ptt": (32, {"s": 32, "sec": 32, "SEC": 32, "secs": 32, "seconds": 32, "sec.": 32,
        "second(s)": 32}),
    "wbc": (9.1, {
        "10*3/uL": 9.1, "10*3/ul": 9.1, "10*9/L": 9.1, "10*9/l": 9.1, "10^3/uL": 9.1,
        "10^9/L": 9.1, "10**9/L": 9.1, "10³/µL": 9.1, "10⁹/L": 9.1, "x10^9/L": 9.1, "x10*9/L": 9.1,
        "X10^9/L": 9.1, "\xd710⁹/L": 9.1, "x10E9/L": 9.1, "10e9/L": 9.1, "x10(3)/mcL": 9.1,
        "K/uL": 9.1, "k/ul": 9.1, "K/mcL": 9.1, "K/µL": 9.1, "K/mm3": 9.1, "K/cumm": 9.1,
        "thou/uL": 9.1, "Thousand/uL": 9.1, "1000/uL": 9.1, "10*3/mm3": 9.1, "10^3/mm^3": 9.1,
        "G/L": 9.1, "G/l": 9.1, "/nL": 9.1, "/nl": 9.1, "tsd./µl": 9.1, "10*3.{cells}/uL": 9.1,
        "10*3{cells}/uL": 9.1, "{cells}/uL": 9100, "/uL": 9100, "cells/uL": 9100, "#/uL": 9100,
        "/mm3": 9100, "10*6/L": 9100, "10^9 /L": 9.1, "10x3/uL": 9.1, "E9/L": 9.1, "Gpt/L": 9.1,
    }),
    "fibrinogen": (350, {"mg/dl": 350, "g/l": 3.5, "g/L": 3.5, "G/L": 3.5, "gm/L": 3.5}),
    "platelets": (210, {"10*9/l": 210, "K/uL": 210, "x10^9/L": 210, "G/L": 210, "10*3/ul": 210}),
}  # fmt: skip
PAIRS = [(name, unit) for name, (_, units) in WRITTEN.items() for unit in units]


@pytest.mark.parametrize(("name", "unit"), PAIRS, ids=[f"{name} {unit}" for name, unit in PAIRS])
def test_a_unit_as_people_write_it(name: str, unit: str) -> None:
    canonical, units = WRITTEN[name]
    read = to_canonical(VARIABLES[INDEX[name]], units[unit], unit)
    assert read is not None
    if name == "fio2":  # a percentage or a fraction by its size, whatever the unit says
        read = read / 100 if read > 1 else read
    # Three digits of a clinical table, and 5/9.
    assert read == pytest.approx(canonical, rel=1e-3)


def test_every_variable_is_written_in_some_way() -> None:
    assert WRITTEN.keys() == INDEX.keys()


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("temperature", "K"),  # also a thousand, and no thermometer of a ward
        ("temperature", ""), ("temperature", "furlong"), ("temperature", "%"),
        ("heart_rate", "mmHg"), ("heart_rate", "1"), ("spo2", "mmHg"), ("map", "mm"), ("map", "%"),
        ("lactate", "mmol"), ("lactate", "mmol/mol"), ("lactate", "/min"), ("lactate", "mol/L/L"),
        ("creatinine", "mg"), ("creatinine", "mg/24h"), ("creatinine", "mL/min"),
        ("creatinine", "mEq/L"), ("hemoglobin", "mmol/L"), ("wbc", "%"), ("wbc", "10*3"),
        ("wbc", "10*99/L"), ("ptt", "1"), ("ptt", "{ratio}"), ("troponin_i", "mmol/L"),
        ("phosphate", "mEq/L"), ("ast", "mg/dL"), ("ph", "mmol/L"), ("ph", "nmol/L"),
        ("lactate", "m" * 65_000), ("lactate", "{" * 65_000), ("lactate", "\0"),
    ],
)  # fmt: skip
def test_a_unit_of_another_quantity_or_of_none_is_not_guessed(name: str, unit: str) -> None:
    assert to_canonical(VARIABLES[INDEX[name]], 12.5, unit) is None


def test_the_unit_of_the_table_is_the_value_itself() -> None:
    for variable in VARIABLES:
        for unit in (variable.ucum, variable.ucum.lower(), f" {variable.ucum}{{any}}"):
            assert to_canonical(variable, 0.1, unit) == 0.1


@given(st.text(max_size=80))
def test_folding_never_fails_and_folds_once(unit: str) -> None:
    folded = fold(unit)
    assert to_canonical(VARIABLES[0], 1.0, unit) is None or folded
    for variable in VARIABLES:
        to_canonical(variable, 1.0, unit)
