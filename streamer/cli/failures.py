"""Failures of a command: the sentence for a person, and the exit code."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from streamer.datasets.cohort import DataError
from streamer.local import LocalStackError
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from streamer.process.environment import fault_lines
from streamer.sim.scenario import ScenarioError

_OF_BOARD: Final = {"argon2", "itsdangerous", "sse_starlette", "starlette", "uvicorn"}


def describe(error: Exception) -> tuple[str, int] | None:
    """The text for standard error and the exit code; ``None`` for a bug, which has a traceback."""
    match error:
        case ValidationError():
            lines = [f"  {line}" for line in fault_lines(error)]
            return "\n".join(["The configuration is wrong:", *lines]), 2
        case DataError() | ScenarioError():
            return f"Error: {error}", 2
        case ModuleNotFoundError() if (error.name or "").partition(".")[0] == "pyarrow":
            return "Error: reading recordings needs pyarrow: pip install 'vigil-icu[replay]'", 2
        case ModuleNotFoundError() if (error.name or "").partition(".")[0] in _OF_BOARD:
            library = (error.name or "").partition(".")[0]
            return f"Error: the board needs {library}: pip install 'vigil-icu[board]'", 2
        case LocalStackError() | LogUnavailable() | StoreUnavailable():
            return f"Error: {error}", 1
        case _:
            return None
