"""The service's log: one JSON object a line, or coloured lines for people; never a patient's id."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import structlog

from streamer.process import logs
from streamer.service.pseudonyms import Pseudonyms


def configure(form: logs.LogFormat, pseudonyms: Pseudonyms) -> None:
    """Sends structured events to standard error; libraries log warnings and errors only.

    Args:
        form: JSON lines, or lines for people.
        pseudonyms: replaces patient ids in each event.
    """
    before, renderer = logs.configure(form, [pseudonyms, _without_message])
    handler = logging.StreamHandler(logs.UnfailingStream(sys.stderr))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    # `force` replaces handlers that were set up before: no line may bypass the pseudonyms.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # kafka-python logs each reconnect as an error; the worker logs outages itself.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def _without_message(_logger: Any, _method: str, event: Any) -> Any:
    """Reduces an exception to its type and its frames, and the message only if it is ours.

    Messages of other libraries may hold an id: a `KeyError` prints its key, and keys here are
    patients.
    """
    exc_info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if exc_info is True else exc_info
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
