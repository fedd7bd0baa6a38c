"""Values that senders lose, as the service on this machine knows it: variable, unit and number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streamer.core.demographics import ICU_TYPES, SEXES
from streamer.core.reasons import ValueProblem
from streamer.core.variables import INDEX, VARIABLES
from streamer.diagnose.finding import Finding, Level
from streamer.diagnose.service_answers import ask

_MOST_LINES: Final = 20  # what is lost most; `/lost` has all
_WORDS: Final = {"sex": SEXES, "icu_type": ICU_TYPES}


def lost_values(host: str, port: int, timeout_s: float) -> Iterator[Finding]:
    """Yields a finding for each kind of loss; none where no service answers."""
    try:
        kinds = [
            (
                str(lost["variable"]),
                lost["unit"],
                int(lost["count"]),
                f"{lost['says']}{_remedy(lost['reason'], lost['variable'])}",
            )
            for lost in ask(host, port, "/lost", timeout_s)["values"]
        ]
    except (ValueError, TypeError, KeyError):
        return
    for variable, unit, count, says in kinds[:_MOST_LINES]:
        came_in = "" if unit is None else f" in {unit!r}"
        values = "value" if count == 1 else "values"
        message = f"{variable}{came_in}: {count} {values} since the service started. {says}"
        yield Finding("lost", Level.WARN, message)
    if len(kinds) > _MOST_LINES:
        message = f"{len(kinds) - _MOST_LINES} further kinds; `/lost` of the service has all"
        yield Finding("lost", Level.WARN, message)


def _remedy(reason: object, name: object) -> str:
    """What the variable or particular takes instead; empty where the sentence says it all."""
    if reason == ValueProblem.UNKNOWN_VARIABLE:
        return " The names are in docs/variables.md."
    if reason == ValueProblem.UNKNOWN_CODE and name in _WORDS:
        return f" It takes {', '.join(_WORDS[str(name)])}."
    if name not in INDEX:
        return ""
    variable = VARIABLES[INDEX[str(name)]]
    if reason == ValueProblem.OUT_OF_LIMITS:
        limits = f"{variable.low:g} to {variable.high:g} {variable.ucum}"
        return f" It takes {limits}, which a value without a unit is taken to be in."
    if reason == ValueProblem.UNKNOWN_UNIT:
        units = ", ".join([variable.ucum, *variable.conversions])
        return f" It takes {units}, and other units of the same quantities."
    return ""
