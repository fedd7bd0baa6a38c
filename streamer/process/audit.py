"""Audit lines: who did what to which object, when, where from, and how it ended.

They are a stream of their own, one JSON object a line in a file of its own, which is only ever
appended to. What a line is about is never a patient's id, only the pseudonym.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

DONE: Final = "done"
_MOST_OUTCOME: Final = (
    300  # characters of an error; one of a model or a broker may be of any length
)


def record(file: Path, action: str, target: str, outcome: str = DONE) -> None:
    """Appends one line; where the file cannot be written, to standard error instead.

    Args:
        file: the audit file; its folder is made.
        action: what was done, such as `promote`.
        target: what it was done to, such as a model's whole id.
        outcome: `done`, or the reason why not.
    """
    line = json.dumps(
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "user": _user(),
            "host": socket.gethostname(),
            "action": action,
            "object": target,
            "outcome": outcome[:_MOST_OUTCOME],
        }
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # One write to a file opened for appending is whole, whoever else writes.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            content = f"{line}\n".encode()
            n_written = os.write(descriptor, content)
            if n_written < len(content):  # the disk is full, or the file at its limit
                raise OSError(f"only {n_written} of {len(content)} bytes")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        sys.stderr.write(f"audit line not written to {file} ({error}): {line}\n")


@dataclass(slots=True)
class Action:
    """An action that is under way, and what it is done to."""

    target: str


@contextmanager
def audited(file: Path, name: str, target: str) -> Iterator[Action]:
    """Records an action at its end, whether it was done or failed.

    Args:
        file: the audit file.
        name: what is done.
        target: what it is done to; the block may set the action's own to a better name.
    """
    with failure_audited(file, name, target) as action:
        yield action
    record(file, name, action.target)


@contextmanager
def failure_audited(file: Path, name: str, target: str) -> Iterator[Action]:
    """Records an action that fails; one that does not is on record where it is done."""
    action = Action(target)
    try:
        yield action
    except BaseException as error:
        record(file, name, action.target, f"failed: {error or type(error).__name__}")
        raise


def _user() -> str:
    """The user of this process, and whoever became it with `sudo`."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a number without a name, as in containers
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER")
    return f"{behind} as {name}" if behind else name
