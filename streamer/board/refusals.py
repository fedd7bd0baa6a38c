"""Refusals of a request: a status, a code for programs, words for people."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamer.board.api import Problem


class Refused(Exception):
    """A request is not served.

    Args:
        status: of HTTP.
        code: for programs.
        detail: for people; never names whether something hidden exists.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail


async def answer_refusal(_request: Request, error: Exception) -> Response:
    """Writes a refusal as JSON."""
    assert isinstance(error, Refused)
    problem: Problem = {"error": error.code, "detail": error.detail}
    return JSONResponse(problem, error.status)


async def answer_http_error(_request: Request, error: Exception) -> Response:
    """Writes an error of the router as JSON: no such page, or not with this method."""
    status = getattr(error, "status_code", 500)
    problem: Problem = {"error": f"http_{status}", "detail": str(getattr(error, "detail", ""))}
    return JSONResponse(problem, status)
