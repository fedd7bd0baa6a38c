"""The service's log: one JSON object a line, or something for people; never a patient's id."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Any, Literal

import structlog

from streamer.service.pseudonyms import Pseudonyms


def configure(form: Literal["json", "console"], pseudonyms: Pseudonyms) -> None:
    """Sends structured events to standard error; libraries speak up from warnings on."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    before: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        pseudonyms,
        _without_message,
    ]
    structlog.configure(
        processors=[*before, renderer],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    # Whatever was set up before, no line may go past the pseudonyms.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # kafka-python reports each reconnect as an error; the worker says what matters.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def _without_message(_logger: Any, _method: str, event: Any) -> Any:
    """Tells where an exception came from and of what type it is, and what our own ones say.

    The message of any other may hold an id: a `KeyError` says its key, and keys here are patients.
    """
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = type(error).__name__
        if type(error).__module__.startswith("streamer."):
            event["error"] = str(error)
        event["at"] = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event
