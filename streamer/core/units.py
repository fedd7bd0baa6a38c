"""Units of measurement as people write them: UCUM in any of its forms, and the names beside it.

The variable table names one unit of each quantity in which a variable may come. Here are the other
units of the same quantity, made from their parts, so that no list of spellings has to be complete.
They are read without regard to capitals, since laboratories shout: nothing at a bedside is measured
in megamoles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

_LONGEST: Final = 64  # characters; the longest unit of a laboratory has thirty

_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SIGNS: Final = str.maketrans(
    {
        "µ": "u", "μ": "u",
        "\N{MULTIPLICATION SIGN}": "x", "·": ".", "⋅": ".", "∙": ".",
        "℃": "degc", "℉": "degf", "°": "deg", "º": "deg", "˚": "deg",
        "\N{FULLWIDTH PERCENT SIGN}": "%",
        "\N{DIVISION SLASH}": "/", "\N{FRACTION SLASH}": "/",
        "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-",
    }
)  # fmt: skip
_REWRITES: Final = tuple(
    (re.compile(pattern), by)
    for pattern, by in (
        (r"\{[^{}]*\}", ""),  # an annotation of UCUM means nothing
        (r"[\s.*]*\b([a-z]+)(\d?)[\^*]*-1$", r"/\1\2"),  # mmol.L-1
        (r"(?<=m)[\^*]+3$", "3"),  # mm^3
        (r"\s*\bper\b\s*", "/"),
        (r"[\s_]+", ""),
        # x10^3, 10*3, 10**3, 10e3, 10(3), x10E+3
        (r"^[x*]?\.?10(?:\*\*|\*|\^|e|exp|x|\()\+?(\d{1,2})\)?[.x*]?", r"10*\1"),
        (r"^x?e\+?(\d{1,2})(?=/)", r"10*\1"),
        (r"^x?1,?000(?=/)", "10*3"),
        (r"\b(?:mc|micro)(?=g|l|mol|kat)", "u"),  # mcg, mcL
        (r"\bmilli(?=g|l|mol|eq)", "m"),
        (r"grams?|liters?|litres?", lambda match: match[0][0]),
        (r"(?<![a-z])gm?s?(?=/)", "g"),
        (r"\[iu\]|\bintunits?\b|\bi\.u\.", "iu"),
        (r"\.(?=/|$)", ""),  # an abbreviation's point
    )
)

_VOLUMES_L: Final = {
    "l": 1.0, "dl": 0.1, "100ml": 0.1, "cl": 0.01, "ml": 1e-3,
    "cc": 1e-3, "ul": 1e-6, "cumm": 1e-6, "cmm": 1e-6, "nl": 1e-9, "pl": 1e-12, "fl": 1e-15,
    "m3": 1e3, "dm3": 1.0, "cm3": 1e-3, "mm3": 1e-6,
}  # fmt: skip
_SMALL: Final = {"": 1.0, "d": 0.1, "c": 0.01, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
_THOUSANDS: Final = {"k": 3, "th": 3, "thou": 3, "thous": 3, "thousand": 3, "tsd": 3}
_MILLIONS: Final = {"m": 6, "mil": 6, "mill": 6, "mio": 6, "million": 6}
_CELLS: Final = ("", "cells", "cell", "#", "plt", "wbc", "leuko")


def _prefixed(*names: str, prefixes: Mapping[str, float] = _SMALL) -> dict[str, float]:
    return {f"{prefix}{name}": size for name in names for prefix, size in prefixes.items()}


def _per_litre(*amounts: Mapping[str, float]) -> dict[str, float]:
    """Each amount in each volume; what it is in one litre."""
    return {
        f"{name}/{volume}": size / litres
        for amount in amounts
        for name, size in amount.items()
        for volume, litres in _VOLUMES_L.items()
    }


def _counts() -> dict[str, float]:
    powers = {f"10*{power}": 10.0**power for power in range(13)}
    named = {"": 0, "1": 0, **_THOUSANDS, **_MILLIONS, "g": 9, "gpt": 9, "giga": 9, "bil": 9}
    powers |= {name: 10.0**power for name, power in named.items()}
    return {f"{power}{cells}": size for power, size in powers.items() for cells in _CELLS}


def _rates() -> dict[str, float]:
    what = (
        "", "1", "b", "beat", "beats", "breath", "breaths", "br", "brths", "resp", "insp", "pulse",
        "puls",
    )  # fmt: skip
    spans = {"min": 1.0, "minute": 1.0, "mins": 1.0, "s": 60.0, "sec": 60.0, "h": 1 / 60}
    rates = {f"{name}/{span}": size for name in what for span, size in spans.items()}
    return {**rates, "bpm": 1.0, "rpm": 1.0, "brpm": 1.0, "cpm": 1.0, "hz": 60.0}


_QUANTITIES: Final[dict[str, dict[str, float]]] = {
    "mass in a volume": {
        **_per_litre(_prefixed("g", prefixes={**_SMALL, "k": 1e3})), "g%": 10.0, "mg%": 0.01,
    },
    "amount in a volume": {
        **_per_litre(_prefixed("mol", "mole", "moles", "mols")), "mm": 1e-3, "um": 1e-6,
    },
    "equivalents in a volume": _per_litre(_prefixed("eq", "val", "equiv")),
    "activity in a volume": _per_litre(
        _prefixed("u", "iu", "unit", "units", prefixes={**_SMALL, "k": 1e3}),
        {name: size * 6e7 for name, size in _prefixed("kat").items()},  # 1 U: 1 umol in a minute
    ),
    "cells in a volume": _per_litre(_counts()),
    "events in a time": _rates(),
    "pressure": {
        "mm[hg]": 1.0, "mmhg": 1.0, "mm(hg)": 1.0, "mm/hg": 1.0, "mmofhg": 1.0, "torr": 1.0,
        "cm[hg]": 10.0, "cmhg": 10.0,
        "kpa": 7.50062, "hpa": 0.750062, "pa": 0.00750062, "mbar": 0.750062, "bar": 750.062,
        "cm[h2o]": 0.735559, "cmh2o": 0.735559, "cmh20": 0.735559, "mm[h2o]": 0.0735559,
    },
    "ratio": {
        "1": 1.0, "fraction": 1.0, "ratio": 1.0, "l/l": 1.0, "ml/ml": 1.0, "%": 0.01,
        "percent": 0.01, "pct": 0.01, "prozent": 0.01, "vol%": 0.01, "ml/dl": 0.01,
        "%o2": 0.01, "%sat": 0.01, "%spo2": 0.01,
    },
    "duration": {
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "second(s)", "sek"), 1.0),
        "ms": 1e-3, "msec": 1e-3, "min": 60.0,
    },
    "degrees Celsius": dict.fromkeys(
        ("cel", "c", "degc", "degcel", "celsius", "degreesc", "degreec", "degcelsius",
         "degreescelsius", "degreecelsius", "centigrade", "deg.c", "gradc"), 1.0,
    ),
    "degrees Fahrenheit": dict.fromkeys(
        ("[degf]", "f", "degf", "fahrenheit", "degreesf", "degreef", "degfahrenheit",
         "degreesfahrenheit", "degreefahrenheit", "deg.f", "fahr"), 1.0,
    ),
    "mass": _prefixed("g", prefixes={**_SMALL, "k": 1e3}),
    "volume": _VOLUMES_L,
    "volume in a time": {
        f"{volume}/{span}": litres / minutes
        for volume, litres in _VOLUMES_L.items()
        for span, minutes in {"min": 1.0, "h": 60.0, "hr": 60.0, "d": 1440.0, "day": 1440.0}.items()
    },
    "osmoles in a mass": _prefixed("osm/kg"),
    "length": {"m": 1.0, "cm": 0.01, "mm": 1e-3},
    "speed of sinking": {"mm/h": 1.0, "mm/hr": 1.0, "mm/1h": 1.0},
    "acidity": dict.fromkeys(("[ph]", "ph", "phunit", "phunits", "1", "unit", "units"), 1.0),
}  # fmt: skip

# The names of ISO/IEEE 11073-10101, as monitors pass them on, without MDC_DIM_ and underscores.
_DEVICE_NAMES: Final = {
    "percent": "%", "dimless": "1", "beatpermin": "/min", "resppermin": "/min",
    "permin": "/min", "mmhg": "mmhg", "kilopascal": "kpa", "hectopascal": "hpa", "cmh2o": "cmh2o",
    "degc": "cel", "fahr": "degf", "sec": "s", "millisec": "ms", "ph": "ph",
    "millimoleperl": "mmol/l", "micromoleperl": "umol/l", "milligperdl": "mg/dl", "gperdl": "g/dl",
    "xgperdl": "g/dl", "gperl": "g/l", "milliequivperl": "meq/l", "nanogperml": "ng/ml",
    "unitperl": "u/l", "intunitperl": "iu/l", "xcntperl": "1/l",
}  # fmt: skip


def fold(unit: str) -> str:
    """Writes a unit in the one way in which the tables here have it.

    >>> fold("mmol.L-1"), fold("x10⁹/L"), fold("10^3{cells}/µL"), fold("mm Hg")
    ('mmol/l', '10*9/l', '10*3/ul', 'mmhg')
    """
    text = re.sub("(?<=[0-9a-zA-Z])([⁻⁺⁰¹²³⁴-⁹]+)", r"^\1", unit.strip())
    text = text.translate(_SUPERSCRIPTS).lower().translate(_SIGNS)
    if text.startswith("mdc_dim_"):
        return _DEVICE_NAMES.get(text.removeprefix("mdc_dim_").replace("_", ""), text)
    for pattern, by in _REWRITES:
        text = pattern.sub(by, text)
    # In UCUM an annotation alone is the unity.
    return text or ("1" if "{" in unit else "")


@cache
def _quantities_of(folded: str) -> dict[str, float]:
    return {name: units[folded] for name, units in _QUANTITIES.items() if folded in units}


def is_known(unit: str) -> bool:
    """Whether a unit is one of any quantity here.

    >>> is_known("ug/L"), is_known("{score}"), is_known("furlong")
    (True, True, False)
    """
    return len(unit) <= _LONGEST and bool(_quantities_of(fold(unit)))


def factor_between(unit: str, named: Iterable[str]) -> tuple[str, float] | None:
    """Finds the unit, of those that are named, with which ``unit`` shares a quantity.

    Args:
        unit: as it came.
        named: UCUM codes; of several of one quantity that which is ``unit`` itself is taken.

    Returns:
        The named one and how many of it one ``unit`` is; ``None`` where there is none.
    """
    if len(unit) > _LONGEST:
        return None
    folded = fold(unit)
    shared: tuple[str, float] | None = None
    for name in named:
        known = _quantities_of(fold(name))
        for quantity, size in known.items():
            other = _QUANTITIES[quantity].get(folded)
            if other == size:
                return name, 1.0
            if other is not None and shared is None:
                shared = name, float(f"{other / size:.12g}")  # 1, not 0.9999999999999999
    return shared
