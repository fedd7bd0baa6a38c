"""The one table of the 34 monitored variables; parser, features, simulator and docs read it.

Limits, units and codes follow the public ricu, CLIF and mimic-code mapping tables, US Core and
the German ICU core data set. The order is that of the columns of the PhysioNet 2019 challenge
(doi 10.13026/v64v-d857), so that column ``i`` of a row is ``VARIABLES[i]`` everywhere.

A model may have variables of its own (decision 035). They stand behind the 34 in its
``VariableTable``, which goes along with everything that reads more than the 34.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.units import factor_between


@dataclass(frozen=True, slots=True)
class Conversion:
    """A linear conversion to the canonical unit: ``canonical = value * factor + offset``."""

    factor: float
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Variable:
    """One monitored variable.

    ``low`` and ``high`` are the inclusive limits, in the canonical unit ``ucum``, outside of which
    a value is a charting error and becomes missing. ``conversions`` maps a UCUM code of each other
    accepted quantity to its conversion; further units of these follow (`core/units.py`).
    ``loinc`` is the preferred code and ``loinc_also`` what is accepted beside it; ``mdc`` is the
    ISO/IEEE 11073 code of bedside devices. ``challenge`` is the column name in PhysioNet 2019
    files. ``no_value`` is a number inside the limits that devices send where they measure nothing.
    ``reference`` is the reference range of adults, of a variable that is none of the 34
    (`core/reference_ranges.py` has theirs).
    """

    name: str
    challenge: str
    display: str
    ucum: str
    low: float
    high: float
    loinc: str
    loinc_also: tuple[str, ...] = ()
    conversions: dict[str, Conversion] = field(default_factory=dict)
    mdc: int | None = None
    is_vital: bool = False
    log_scale: bool = False
    no_value: float | None = None
    reference: tuple[float, float] | None = None

    def __hash__(self) -> int:
        """By name: two of one name are told apart by ``==``."""
        return hash(self.name)


_PER_MIN = {"{beats}/min": Conversion(1.0), "bpm": Conversion(1.0)}
_BREATHS = {"{breaths}/min": Conversion(1.0)}
_KPA = {"kPa": Conversion(7.50062)}  # 1 kPa = 7.50062 mmHg
_MEQ = {"meq/L": Conversion(1.0)}  # monovalent ions: 1 mEq = 1 mmol; of calcium it is half
_FAHRENHEIT = {"[degF]": Conversion(5 / 9, -160 / 9)}
_BILIRUBIN = {"umol/L": Conversion(1 / 17.1)}  # 584.66 g/mol
_CELLS = {"10*9/L": Conversion(1.0)}

VARIABLES: Final[tuple[Variable, ...]] = (
    Variable(
        "heart_rate", "HR", "heart rate", "/min", 10, 300, "8867-4",
        conversions=_PER_MIN, mdc=147842, is_vital=True, no_value=255,  # all ones in 8 bits
    ),
    Variable(
        "spo2", "O2Sat", "SpO2", "%", 50, 100, "59408-5", ("2708-6",),
        mdc=150456, is_vital=True,
    ),
    Variable(
        "temperature", "Temp", "temperature", "Cel", 30, 44, "8310-5", ("8329-5",),
        conversions=_FAHRENHEIT, mdc=150344, is_vital=True,
    ),
    Variable(
        "sbp", "SBP", "systolic pressure", "mm[Hg]", 20, 300, "8480-6", ("76534-7", "76215-3"),
        conversions=_KPA, mdc=150021, is_vital=True,
    ),
    Variable(
        "map", "MAP", "mean pressure", "mm[Hg]", 15, 250, "8478-0", ("76536-2", "76214-6"),
        conversions=_KPA, mdc=150023, is_vital=True,
    ),
    Variable(
        "dbp", "DBP", "diastolic pressure", "mm[Hg]", 10, 200, "8462-4", ("76535-4", "76213-8"),
        conversions=_KPA, mdc=150022, is_vital=True,
    ),
    Variable(
        "resp_rate", "Resp", "respiratory rate", "/min", 1, 80, "9279-1",
        conversions=_BREATHS, mdc=151562, is_vital=True,
    ),
    Variable(
        "etco2", "EtCO2", "end-tidal CO2", "mm[Hg]", 0, 120, "19891-1",
        conversions=_KPA, mdc=151708, is_vital=True, no_value=0,  # sensor off, no breath seen
    ),
    Variable("base_excess", "BaseExcess", "base excess", "mmol/L", -40, 40, "11555-0",
             ("1925-7",), conversions=_MEQ),
    Variable("bicarbonate", "HCO3", "bicarbonate", "mmol/L", 2, 60, "1963-8",
             ("1959-6", "1960-4"), conversions=_MEQ),
    # A percentage or a fraction by its size, whatever the unit says: see `fio2_fraction`.
    Variable("fio2", "FiO2", "FiO2", "1", 0.20, 1.0, "3150-0", ("19994-3",),
             conversions={"%": Conversion(1.0), "{fraction}": Conversion(1.0)}),
    Variable("ph", "pH", "pH", "[pH]", 6.6, 7.9, "2744-1", ("11558-4",)),
    Variable("paco2", "PaCO2", "PaCO2", "mm[Hg]", 5, 200, "2019-8", conversions=_KPA),
    Variable("sao2", "SaO2", "SaO2", "%", 50, 100, "2708-6"),
    Variable("ast", "AST", "AST", "U/L", 0, 20000, "1920-8", log_scale=True),
    Variable("bun", "BUN", "urea nitrogen", "mg/dL", 0, 300, "3094-0", ("6299-2",),
             conversions={"mmol/L": Conversion(2.80)}, log_scale=True),
    Variable("alkaline_phosphatase", "Alkalinephos", "alkaline phosphatase", "U/L", 0, 5000,
             "6768-6", log_scale=True),
    Variable("calcium", "Calcium", "calcium", "mg/dL", 4, 20, "17861-6",
             conversions={"mmol/L": Conversion(4.01), "meq/L": Conversion(4.01 / 2)}),
    Variable("chloride", "Chloride", "chloride", "mmol/L", 50, 150, "2075-0", conversions=_MEQ),
    Variable("creatinine", "Creatinine", "creatinine", "mg/dL", 0.05, 30, "2160-0",
             conversions={"umol/L": Conversion(1 / 88.4)}, log_scale=True),
    Variable("bilirubin_direct", "Bilirubin_direct", "direct bilirubin", "mg/dL", 0, 60, "1968-7",
             conversions=_BILIRUBIN, log_scale=True),
    Variable("glucose", "Glucose", "glucose", "mg/dL", 10, 1500, "2345-7", ("2339-0",),
             conversions={"mmol/L": Conversion(18.0)}, log_scale=True),
    Variable("lactate", "Lactate", "lactate", "mmol/L", 0.1, 35, "2524-7", ("32693-4", "2518-9"),
             conversions={"mg/dL": Conversion(1 / 9.01), **_MEQ}, log_scale=True),
    Variable("magnesium", "Magnesium", "magnesium", "mg/dL", 0.2, 10, "19123-9",
             conversions={"mmol/L": Conversion(2.43), "meq/L": Conversion(2.43 / 2)}),
    Variable("phosphate", "Phosphate", "phosphate", "mg/dL", 0.2, 20, "2777-1",
             conversions={"mmol/L": Conversion(3.10)}),
    Variable("potassium", "Potassium", "potassium", "mmol/L", 1, 12, "2823-3", conversions=_MEQ),
    Variable("bilirubin_total", "Bilirubin_total", "total bilirubin", "mg/dL", 0, 80, "1975-2",
             conversions=_BILIRUBIN, log_scale=True),
    Variable("troponin_i", "TroponinI", "troponin I", "ng/mL", 0, 500, "10839-9", ("89579-7",),
             conversions={"ng/L": Conversion(1 / 1000)}, log_scale=True),
    Variable("hematocrit", "Hct", "haematocrit", "%", 5, 75, "4544-3", ("20570-8",)),
    Variable("hemoglobin", "Hgb", "haemoglobin", "g/dL", 2, 25, "718-7",
             conversions={"g/L": Conversion(1 / 10)}),
    Variable("ptt", "PTT", "PTT", "s", 10, 250, "14979-9", ("3173-2",), log_scale=True),
    Variable("wbc", "WBC", "white cells", "10*3/uL", 0, 500, "6690-2", ("26464-8",),
             conversions=_CELLS, log_scale=True),
    Variable("fibrinogen", "Fibrinogen", "fibrinogen", "mg/dL", 10, 1800, "3255-7",
             conversions={"g/L": Conversion(100.0)}, log_scale=True),
    Variable("platelets", "Platelets", "platelets", "10*3/uL", 1, 2500, "777-3", ("26515-7",),
             conversions=_CELLS, log_scale=True),
)  # fmt: skip

N_VARIABLES: Final = len(VARIABLES)
INDEX: Final[dict[str, int]] = {variable.name: i for i, variable in enumerate(VARIABLES)}
MOST_OWN: Final = 30
"""Variables of a task's own; with the 34 they are numbered in six bits (`core/hour_ring.py`)."""
IS_LAB: Final = np.array([not v.is_vital for v in VARIABLES] + [True] * MOST_OWN)
"""Laboratory values and FiO2: what comes seldom, and nobody waits with. So are a task's own."""
LOW: Final[NDArray[np.float64]] = np.array([variable.low for variable in VARIABLES])
HIGH: Final[NDArray[np.float64]] = np.array([variable.high for variable in VARIABLES])
FIO2: Final = INDEX["fio2"]


UNKNOWN: Final = -1
"""The column of a name that is none of a table's."""
_MOST_SHAPES: Final = 1024  # of a ward a few hundred are seen; more are somebody's invention


class Shapes(dict[tuple[str, ...], bytes]):
    """The int16 columns of variables by their names, ``UNKNOWN`` for any other name.

    A device sends the same names every time, so that these are looked up as a whole.
    """

    def __init__(self, index: Mapping[str, int]) -> None:
        super().__init__()
        self._index = index

    def __missing__(self, names: tuple[str, ...]) -> bytes:
        columns = np.array([self._index.get(name, UNKNOWN) for name in names], np.int16).tobytes()
        if len(self) >= _MOST_SHAPES:
            self.clear()
        self[names] = columns
        return columns


class VariableTable:
    """The variables that a model knows: the 34, and behind them those of its own task.

    Attributes:
        all: the variables, by column.
        own: those behind the 34.
        names: of all.
        index: the column of each by its name.
        shapes: the columns of several by their names.
        low: lower limits ``(N,)`` in the precision in which values are kept: 6.6 must pass a limit
            of 6.6.
        high: upper limits.
        no_value: the number that stands for no value, NaN where a variable has none inside its
            limits. Neither of the two that there are occurs among the 1,123,683 heart rates and
            45,882 EtCO2 of PhysioNet 2019; 255 mmHg does.
        logged: columns of the skewed variables, whose logarithm is looked at.
        key: name and unit of each of its own: tables that share it number the same quantities.
    """

    def __init__(self, own: Sequence[Variable] = ()) -> None:
        if len(own) > MOST_OWN:
            raise ValueError(f"{len(own)} variables of its own, at most {MOST_OWN}")
        self.all = (*VARIABLES, *own)
        self.own = tuple(own)
        self.names = tuple(variable.name for variable in self.all)
        self.index = {name: i for i, name in enumerate(self.names)}
        if len(self.index) < len(self.all):
            raise ValueError(f"two variables of one name among {self.names[N_VARIABLES:]}")
        self.shapes = Shapes(self.index)
        self.key = tuple((variable.name, variable.ucum) for variable in own)
        self.low: NDArray[np.float32] = np.array([v.low for v in self.all], np.float32)
        self.high: NDArray[np.float32] = np.array([v.high for v in self.all], np.float32)
        self.no_value: NDArray[np.float32] = np.array(
            [np.nan if v.no_value is None else v.no_value for v in self.all], np.float32
        )
        self.logged = np.array([i for i, v in enumerate(self.all) if v.log_scale], np.intp)

    def __len__(self) -> int:
        return len(self.all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VariableTable) and self.own == other.own

    def __hash__(self) -> int:
        return hash(self.own)

    def unnamed(self, names: Collection[str]) -> NDArray[np.intp]:
        """Columns of the variables that are not among these names."""
        return np.array([i for name, i in self.index.items() if name not in names], np.intp)


BUILT_IN: Final = VariableTable()
"""The 34 alone."""


def shared_columns(
    source: VariableTable, target: VariableTable
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns the columns, in both tables, of the variables that both have in the same unit.

    >>> source, target = shared_columns(BUILT_IN, BUILT_IN)
    >>> bool((source == target).all()), len(source)
    (True, 34)
    """
    pairs = [
        (i, j)
        for i, variable in enumerate(source.all)
        if (j := target.index.get(variable.name)) is not None
        and target.all[j].ucum == variable.ucum
    ]
    columns = np.array(pairs, np.intp).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def fio2_fraction(value: NDArray[Any]) -> NDArray[Any]:
    """Reads charted FiO2 as a fraction: 20-100 is a percentage, 0.2-1 a fraction already.

    The rule of mimic-code; what lies between (1-20) stays as it is and fails the limits.

    >>> fio2_fraction(np.array([21.0, 0.4, 5.0])).tolist()
    [0.21, 0.4, 5.0]
    """
    return np.where((value >= 20) & (value <= 100), value / 100, value)


def to_canonical(variable: Variable, value: float, unit: str) -> float | None:
    """Converts a value to the canonical unit of its variable; ``None`` if the unit is unknown.

    >>> temperature, potassium = VARIABLES[INDEX["temperature"]], VARIABLES[INDEX["potassium"]]
    >>> round(to_canonical(temperature, 98.6, "[degF]"), 6), to_canonical(potassium, 4, "mEq/l")
    (37.0, 4.0)
    """
    conversion = _conversion(variable, unit)
    return None if conversion is None else value * conversion.factor + conversion.offset


@lru_cache(maxsize=4096)  # senders have a few hundred; more are somebody's invention
def _conversion(variable: Variable, unit: str) -> Conversion | None:
    """Finds how a unit as it came becomes the canonical one of a variable."""
    named = {variable.ucum: Conversion(1.0), **variable.conversions}
    if unit in named:
        return named[unit]
    shared = factor_between(unit, named)
    if shared is None:
        return None
    name, factor = shared
    return Conversion(factor * named[name].factor, named[name].offset)
