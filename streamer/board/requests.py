"""Parts of a request, bounded: the body, and numbers of the query."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from streamer.board.refusals import Refused

_MOST_BODY: Final = 4096  # bytes: a login with the longest password; actions have their own limit


async def read_body(request: Request, most: int = _MOST_BODY) -> bytes:
    """Reads the body of a request.

    Raises:
        Refused: it is longer than allowed.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise Refused(400, "body", f"The body is longer than {most} bytes.")
    return bytes(body)


def read_number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """Reads a number of the query.

    Raises:
        Refused: it is none, or out of its limits.
    """
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise Refused(400, name, f"{name} is a number from {least} to {most}.")
    return int(text)
