"""Login, logout, and who is logged in."""

from __future__ import annotations

from typing import Final

import anyio.to_thread
import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamer.board.context import Context, Login, context_of
from streamer.board.origin import refuse_foreign
from streamer.board.refusals import Refused
from streamer.board.requests import read_body
from streamer.board.sessions import COOKIE, Session
from streamer.board.users import is_secret_of

_log = structlog.get_logger()
AGAIN: Final = "again"
"""In the query of what a page asks for again by itself, whoever sits in front of it."""
# Each check of a password takes 19 MiB for some 30 ms: two at a time bound both.
_CHECKS: Final = anyio.CapacityLimiter(2)


class _Credentials(msgspec.Struct):
    user: str
    password: str
    kiosk: bool = False


async def show_session(request: Request) -> Response:
    """Who is logged in."""
    context = context_of(request)
    return JSONResponse(context.person(request).as_json())


async def begin_session(request: Request) -> Response:
    """Checks a password and sets the cookie; a wrong name and a wrong password look the same."""
    refuse_foreign(request)
    context, login = context_of(request), _login(context_of(request))
    body = await read_body(request)
    try:
        asked = msgspec.json.decode(body, type=_Credentials)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "body", "The body is {user, password}.") from None
    address, now_s = request.client.host if request.client else "", context.now_s()
    # Names are tried from many addresses, and addresses try many names.
    if not (
        login.attempts.take(f"address {address}", now_s)
        and login.attempts.take(f"user {asked.user}", now_s)
    ):
        raise Refused(429, "attempts", "Too many logins: try again in a minute.")
    user = login.users.find(asked.user)
    hashed = None if user is None else user.password
    is_right = await check_secret(hashed, asked.password)
    if user is None or not is_right:
        raise Refused(401, "login", "User name or password is wrong.")
    session = login.sessions.begin(asked.user, user, is_kiosk=asked.kiosk)
    answer = Response(status_code=204)
    set_cookie(answer, login, session)
    _log.info("login", role=user.role, kiosk=asked.kiosk)
    return answer


async def end_session(request: Request) -> Response:
    """Ends the session on this board and takes the cookie back."""
    refuse_foreign(request)
    login = _login(context_of(request))
    session = login.sessions.read(request.cookies.get(COOKIE))
    if session is not None:
        login.sessions.end(session)
    answer = Response(status_code=204)
    answer.delete_cookie(
        COOKIE, httponly=True, samesite="strict", secure=login.is_cookie_secure, path="/"
    )
    return answer


async def check_secret(hashed: str | None, secret: str) -> bool:
    """Whether a password or PIN is right; the server goes on meanwhile."""
    return await anyio.to_thread.run_sync(is_secret_of, hashed, secret[:1024], limiter=_CHECKS)


def keep_session(request: Request, answer: Response) -> None:
    """Notes that a person did something: the session is not idle."""
    if AGAIN in request.query_params:
        return
    login = context_of(request).login
    session = None if login is None else login.sessions.read(request.cookies.get(COOKIE))
    if login is not None and session is not None:
        renewed = login.sessions.use(session)
        if renewed is not None:
            set_cookie(answer, login, renewed)


def set_cookie(answer: Response, login: Login, session: Session) -> None:
    """Writes the cookie of a session."""
    answer.set_cookie(
        COOKIE,
        login.sessions.write(session),
        max_age=session.ends_s - session.used_s,
        httponly=True,
        samesite="strict",
        secure=login.is_cookie_secure,
        path="/",
    )


def _login(context: Context) -> Login:
    if context.login is None:
        raise Refused(404, "login", "Nobody logs in on this board.")
    return context.login
