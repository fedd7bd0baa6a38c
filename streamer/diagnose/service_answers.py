"""Answers of the service on this machine, for the checks; nothing where none answers."""

from __future__ import annotations

import contextlib
import json
from http.client import HTTPConnection, HTTPException
from typing import Any


def ask(host: str, port: int, path: str, timeout_s: float) -> Any:
    """Returns the JSON of a path; ``{}`` where no service answers: another finding says so."""
    connection = HTTPConnection(host, port, timeout=timeout_s)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        except (OSError, HTTPException, ValueError):
            return {}
