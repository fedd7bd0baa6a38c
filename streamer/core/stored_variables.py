"""The variables of a stored stay beyond the 34, as its last text: a line each.

A line has name, unit and reference range: enough to take the values by name into any table, and to
show them to whoever has no bundle at hand.
"""

from __future__ import annotations

import math
from functools import lru_cache

from streamer.core.variables import Variable, VariableTable


def write(variables: VariableTable) -> bytes:
    """Writes the variables of a table beyond the 34; nothing where there are none."""
    return "\n".join(map(_line, variables.own)).encode()


@lru_cache(maxsize=64)
def read(text: bytes) -> VariableTable:
    """Reads what ``write`` wrote; limits and codes are not among it.

    Raises:
        ValueError: it is something else.
    """
    return VariableTable([_variable(line) for line in text.decode().split("\n")] if text else ())


def _line(variable: Variable) -> str:
    low, high = variable.reference or (variable.low, variable.high)
    return f"{variable.name} {variable.ucum} {low!r} {high!r}"


def _variable(line: str) -> Variable:
    parts = line.split(" ")
    if len(parts) != 4:
        raise ValueError("its variables are not listed as they are written")
    name, unit, low, high = parts
    return Variable(
        name,
        name,
        name.replace("_", " "),
        unit,
        -math.inf,
        math.inf,
        loinc="",
        reference=(float(low), float(high)),
    )
