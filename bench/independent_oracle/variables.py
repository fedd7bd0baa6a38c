"""The 34 variables by `docs/variables.md`: units with their factors, limits, kind of feature."""

from __future__ import annotations

import math
import re
import struct
from typing import Final, NamedTuple

Line = tuple[float, float]  # factor and offset to the canonical unit

_TABLE: Final = """
heart_rate /min,{beats}/min,bpm 10 300 vital|spo2 % 50 100 vital
temperature Cel,[degF]=F 30 44 vital|sbp mm[Hg],kPa=7.50062 20 300 vital
map mm[Hg],kPa=7.50062 15 250 vital
dbp mm[Hg],kPa=7.50062 10 200 vital|resp_rate /min,{breaths}/min 1 80 vital
etco2 mm[Hg],kPa=7.50062 0 120 vital|base_excess mmol/L,meq/L -40 40 -
bicarbonate mmol/L,meq/L 2 60 -|fio2 1,%,{fraction} 0.2 1 -|ph [pH] 6.6 7.9 -
paco2 mm[Hg],kPa=7.50062 5 200 -|sao2 % 50 100 -|ast U/L 0 20000 log
bun mg/dL,mmol/L=2.8 0 300 log|alkaline_phosphatase U/L 0 5000 log
calcium mg/dL,mmol/L=4.01,meq/L=2.005 4 20 -|chloride mmol/L,meq/L 50 150 -
creatinine mg/dL,umol/L=/88.4 0.05 30 log|bilirubin_direct mg/dL,umol/L=/17.1 0 60 log
glucose mg/dL,mmol/L=18 10 1500 log|lactate mmol/L,mg/dL=/9.01,meq/L 0.1 35 log
magnesium mg/dL,mmol/L=2.43,meq/L=1.215 0.2 10 -|phosphate mg/dL,mmol/L=3.1 0.2 20 -
potassium mmol/L,meq/L 1 12 -|bilirubin_total mg/dL,umol/L=/17.1 0 80 log
troponin_i ng/mL,ng/L=/1000 0 500 log|hematocrit % 5 75 -|hemoglobin g/dL,g/L=/10 2 25 -
ptt s 10 250 log|wbc 10*3/uL,10*9/L 0 500 log|fibrinogen mg/dL,g/L=100 10 1800 log
platelets 10*3/uL,10*9/L 1 2500 log"""


class Variable(NamedTuple):
    """A row of the table; ``units`` has the canonical one first."""

    name: str
    units: dict[str, Line]
    low: float
    high: float
    kind: str


_NO_VALUE: Final = {("heart_rate", 255.0), ("etco2", 0.0)}
"""Codes of devices that measure nothing, inside the limits."""


def _line(text: str) -> Line:
    if text == "F":
        return 5 / 9, -160 / 9
    return (1 / float(text[1:]) if text.startswith("/") else float(text or 1)), 0.0


def _row(text: str) -> Variable:
    name, units, low, high, kind = text.split()
    lines = {unit: _line(line) for unit, _, line in (u.partition("=") for u in units.split(","))}
    return Variable(name, lines, float(low), float(high), kind)


VARIABLES: Final = [_row(text) for text in re.split(r"[|\n]", _TABLE.strip())]
INDEX: Final = {variable.name: i for i, variable in enumerate(VARIABLES)}
VITALS: Final = [i for i, variable in enumerate(VARIABLES) if variable.kind == "vital"]
_BOUND: Final = re.compile(r"\s*[<>≤≥]=?\s*(-?\d+(?:\.\d*)?)\s*", re.ASCII)


def single(value: float) -> float:
    """The nearest number of single precision, in which values are kept."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf


def cleaned(name: str, value: object, unit: object) -> float | None:
    """A measurement as the model sees it; ``None`` where it is missing by the documents."""
    if name not in INDEX or isinstance(value, bool):
        return None
    if isinstance(value, str) and (bound := _BOUND.fullmatch(value)):
        value = float(bound[1])
    variable = VARIABLES[INDEX[name]]
    line = variable.units.get(unit) if isinstance(unit, str) else (1.0, 0.0)
    if not isinstance(value, int | float) or line is None:
        return None
    number = single(float(value) * line[0] + line[1])
    if name == "fio2" and 20 <= number <= 100:
        number = single(number / 100)
    if (variable.name, number) in _NO_VALUE:
        return None
    return number + 0.0 if single(variable.low) <= number <= single(variable.high) else None
