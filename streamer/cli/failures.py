"""What a command that failed tells a person, and its exit code."""

from __future__ import annotations

from pydantic import ValidationError

from streamer.datasets.cohort import DataError
from streamer.local import LocalStackError
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from streamer.sim.scenario import ScenarioError


def describe(error: Exception) -> tuple[str, int] | None:
    """The text for standard error and the exit code; ``None`` for a bug, which has a traceback."""
    match error:
        case ValidationError():
            return "\n".join(["The configuration is wrong:", *_wrong_settings(error)]), 2
        case DataError() | ScenarioError():
            return f"Error: {error}", 2
        case ModuleNotFoundError() if (error.name or "").partition(".")[0] == "pyarrow":
            return "Error: reading recordings needs pyarrow: pip install 'vigil-icu[replay]'", 2
        case LocalStackError() | LogUnavailable() | StoreUnavailable():
            return f"Error: {error}", 1
        case _:
            return None


def _wrong_settings(error: ValidationError) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False):
        field = ".".join(str(part) for part in fault["loc"])
        name = field if field.isupper() else f"STREAMER_{field.upper()}"
        lines.append(f"  {name if field else ''} {fault['msg']}")
    return lines
