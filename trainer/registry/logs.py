"""The log of `trainer run`: one JSON object a line, or coloured lines for people."""

from __future__ import annotations

import logging
import sys

from streamer.process import logs


def configure(form: logs.LogFormat) -> None:
    """Sends structured events to standard error; libraries log warnings and errors only."""
    logs.configure(form)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
