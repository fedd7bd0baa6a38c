"""Values that senders lose, as the service on this machine knows it: variable, unit and number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streamer.diagnose.finding import Finding, Level
from streamer.diagnose.service_answers import ask

_MOST_LINES: Final = 20  # what is lost most; `/lost` has all


def lost_values(host: str, port: int, timeout_s: float) -> Iterator[Finding]:
    """Yields a finding for each kind of loss; none where no service answers."""
    try:
        kinds = [
            (str(lost["variable"]), lost["unit"], int(lost["count"]), str(lost["says"]))
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
