"""Sources whose clocks are hours off, as the service on this machine knows them."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.diagnose.finding import Finding, Level
from streamer.diagnose.service_answers import ask


def source_clocks(host: str, port: int, timeout_s: float) -> Iterator[Finding]:
    """Yields a finding for each source that is off; none where no service answers."""
    try:
        off = [
            (str(clock["source"]), float(clock["behind_seconds"]))
            for clock in ask(host, port, "/sources", timeout_s)["sources"]
            if clock["is_off"]
        ]
    except (ValueError, TypeError, KeyError):
        return
    for source, behind_s in off:
        side = "behind" if behind_s > 0 else "ahead of"
        message = (
            f"{source!r} is {abs(behind_s) / 3600:.1f} h {side} the log: its values count for a "
            "wrong hour, or come that late; look at its clock and time zone"
        )
        yield Finding("source", Level.WARN, message)
