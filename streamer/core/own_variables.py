"""Variables of a task's own: from their definitions, as task file and manifest have them.

The same checks stand at both ends: whoever writes a task file is told every fault at once, and a
service builds no model from a definition that this program would not have written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from streamer.core.demographics import PARTICULARS
from streamer.core.units import is_known
from streamer.core.variables import INDEX, MOST_OWN, VARIABLES, Conversion, Variable

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LOINC: Final = re.compile(r"[0-9]{1,7}-[0-9]")
_LONGEST: Final = 40  # characters of a name for people
_MOST: Final = 1e6  # as of the means of features (`bundles/soundness.py`)
_SHOWN: Final = 60
_CODES: Final = {code: v.name for v in VARIABLES for code in (v.loinc, *v.loinc_also)}


class Definition(Struct, forbid_unknown_fields=True):
    """What a variable of a task's own is; fields as those of ``variables.Variable``.

    ``conversions`` maps units of other quantities to the factor to ``unit``; further units of the
    same quantities follow.
    """

    unit: str
    low: float
    high: float
    reference: tuple[float, float]
    display: str = ""
    loinc: str = ""
    conversions: dict[str, float] = {}
    log_scale: bool = False


def read_own(definitions: object) -> tuple[Variable, ...]:
    """Reads the definitions of a task's own variables, by name: a manifest sorts them.

    Args:
        definitions: by name, each a mapping of the fields of ``Definition``.

    Raises:
        ValueError: every fault with its place.
    """
    if not isinstance(definitions, Mapping):
        raise ValueError("new_variables: not a table of names and definitions")
    faults, own, codes = [], [], dict(_CODES)
    if len(definitions) > MOST_OWN:
        faults.append(f"new_variables: {len(definitions)} of them, at most {MOST_OWN} are taken")
    for name, content in definitions.items():
        shown = ascii(name)[1:-1][:_SHOWN]
        try:
            definition = msgspec.convert(content, Definition)
        except msgspec.ValidationError as error:
            faults.append(f"new_variables.{shown}: {_plain(str(error))}")
            continue
        wrong = [*_name_faults(name), *_faults(definition), *_code_faults(definition.loinc, codes)]
        faults += [f"new_variables.{shown}: {fault}" for fault in wrong]
        codes[definition.loinc] = name
        own.append(_variable(name, definition))
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(sorted(own, key=lambda variable: variable.name))


def _variable(name: str, definition: Definition) -> Variable:
    return Variable(
        name,
        name,
        definition.display or name.replace("_", " "),
        definition.unit,
        definition.low,
        definition.high,
        definition.loinc,
        conversions={unit: Conversion(f) for unit, f in definition.conversions.items()},
        log_scale=definition.log_scale,
        reference=definition.reference,
    )


def _name_faults(name: object) -> Iterator[str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield "a name is of small letters, digits and _, such as `new_variables.c_reactive_protein`"
    elif name in INDEX:
        yield (
            "the name is one of Vigil's 34 (docs/variables.md): map your column to it under "
            "[variables], or take another name"
        )
    elif name in PARTICULARS:
        yield "the name is that of a particular of an admission; take another one"


def _faults(definition: Definition) -> Iterator[str]:
    low, high, (first, last) = definition.low, definition.high, definition.reference
    if not _is_code(definition.unit):
        yield (
            f"unit: {_text(definition.unit)} is none that is known here; write it in UCUM, such as "
            'unit = "mg/dL", and "1" for a number without one'
        )
    if not all(math.isfinite(end) and abs(end) <= _MOST for end in (low, high)):
        yield f"low and high: not numbers within {_MOST:,.0f} of 0"
    elif not low < high:
        yield f"low is {low:g} and high {high:g}: low is to be below high"
    elif definition.log_scale and low < 0:
        yield f"log_scale: of values down to {low:g} there is no logarithm; leave it out"
    if low < high and not low <= first < last <= high:
        yield (
            f"reference: [{first:g}, {last:g}] is no range within low and high; write the one that "
            "your laboratory prints, such as reference = [0.0, 0.5]"
        )
    if len(definition.display) > _LONGEST or not definition.display.isprintable():
        yield f"display: more than {_LONGEST} characters, or one that nobody sees"
    for unit, factor in definition.conversions.items():
        if not _is_code(unit):
            yield f"conversions: {_text(unit)} is no unit that is known here; write it in UCUM"
        if not (math.isfinite(factor) and factor > 0):
            yield f"conversions: the factor of {_text(unit)} is {factor:g}, not above 0"


def _is_code(unit: str) -> bool:
    """Whether a unit is known, and written without the blanks and dots that people put in."""
    return unit.isprintable() and " " not in unit and is_known(unit)


def _code_faults(code: str, codes: Mapping[str, str]) -> Iterator[str]:
    if not code:
        return
    if not _LOINC.fullmatch(code) or _check_digit(code[:-2]) != int(code[-1]):
        yield f'loinc: {_text(code)} is no LOINC code; they look like "33959-8"'
    elif code in codes:
        yield f"loinc: {code} is the code of {codes[code]} already"


def _check_digit(number: str) -> int:
    """The last digit of a LOINC code: Luhn's, of the digits before the hyphen.

    >>> _check_digit("33959")
    8
    """
    doubled = [int(digit) * (1 + (i % 2 == 0)) for i, digit in enumerate(reversed(number))]
    return -sum(d - 9 if d > 9 else d for d in doubled) % 10


def _plain(error: str) -> str:
    """What msgspec says, with the key where it puts it last."""
    return error.replace("Object missing required field", "is missing").replace(
        "Object contains unknown field", "is not known here:"
    )


def _text(value: str) -> str:
    return ascii(value)[:_SHOWN]
