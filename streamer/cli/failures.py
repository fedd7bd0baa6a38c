"""Failures of a command: the sentence for a person, and the exit code."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Final

import typer
from pydantic import ValidationError

from streamer.datasets.cohort import DataError
from streamer.local import LocalStackError
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from streamer.process.environment import Fault, fault_lines
from streamer.process.terminal import say_lines
from streamer.sim.knobs import ScenarioError

_OF_BOARD: Final = {"argon2", "itsdangerous", "sse_starlette", "starlette", "uvicorn"}

# A disk, a right or a limit of the machine: nothing that a traceback explains.
_OF_THE_MACHINE: Final = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM,
    errno.EMFILE, errno.ENFILE,
}  # fmt: skip
_WRONG: Final = "The configuration is wrong:"


def refuse(faults: Iterable[Fault]) -> None:
    """Says what is wrong with the settings of a command.

    Raises:
        typer.Exit: with 2, unless nothing is wrong.
    """
    if lines := [f"  {fault.variable}: {fault.message}" for fault in faults]:
        say_lines([_WRONG, *lines], error=True)
        raise typer.Exit(2)


def describe(error: Exception) -> tuple[str, int] | None:
    """The text for standard error and the exit code; ``None`` for a bug, which has a traceback."""
    match error:
        case ValidationError():
            return "\n".join([_WRONG, *(f"  {line}" for line in fault_lines(error))]), 2
        case DataError() | ScenarioError():
            return f"Error: {error}", 2
        case ModuleNotFoundError() if (error.name or "").partition(".")[0] == "pyarrow":
            return "Error: reading recordings needs pyarrow: pip install 'vigil-icu[replay]'", 2
        case ModuleNotFoundError() if (error.name or "").partition(".")[0] in _OF_BOARD:
            library = (error.name or "").partition(".")[0]
            return f"Error: the board needs {library}: pip install 'vigil-icu[board]'", 2
        case _ if _is_of_the_world(error):
            return f"Error: {error}", 1
        case _:
            return None


def _is_of_the_world(error: Exception) -> bool:
    """Whether a server or the machine fails, and not the program."""
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        return True
    return isinstance(error, LocalStackError | LogUnavailable | StoreUnavailable)
