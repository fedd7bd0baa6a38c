"""Sessions in a signed cookie: any board with the same secret knows them, and stores none.

The cookie names the user and the version of the password; both are looked up at each request, so a
removed user and a changed password end it. Within a board, the last use by a person is remembered:
a stream that stays open is no use.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from itsdangerous import BadSignature, URLSafeSerializer

from streamer.board.people import Person, Role
from streamer.board.users import User, UsersFile

COOKIE: Final = "vigil"
LEAST_SECRET: Final = 32
_LASTS_S: Final = 12 * 3600  # a shift
_IDLE_S: Final = 30 * 60
_KIOSK_LASTS_S: Final = 90 * 24 * 3600
_MOST_REMEMBERED: Final = 10_000
_REFRESH_S: Final = 60  # the cookie of an active person is written anew once a minute


class Session(NamedTuple):
    """What the cookie says; times are epoch seconds."""

    session_id: str
    user: str
    version: str
    began_s: int
    used_s: int
    is_kiosk: bool

    @property
    def ends_s(self) -> int:
        """When it ends, whatever is done."""
        return self.began_s + (_KIOSK_LASTS_S if self.is_kiosk else _LASTS_S)


class Sessions:
    """Issues and checks sessions.

    Args:
        secret: key of the signatures.
        users: the accounts.
        now_s: the clock, epoch seconds.
    """

    def __init__(self, secret: str, users: UsersFile, now_s: Callable[[], float]) -> None:
        self._signer = URLSafeSerializer(secret, salt="vigil-board-session")
        self._users, self._now_s = users, now_s
        self._used: OrderedDict[str, int] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, name: str, user: User, *, is_kiosk: bool) -> Session:
        """Returns a new session of a user who has just shown the password."""
        now_s = int(self._now_s())
        return Session(secrets.token_hex(16), name, user.version, now_s, now_s, is_kiosk)

    def end(self, session: Session) -> None:
        """Ends a session on this board; the browser forgets its cookie."""
        self._ended[session.session_id] = None
        while len(self._ended) > _MOST_REMEMBERED:
            self._ended.popitem(last=False)

    def write(self, session: Session) -> str:
        """Returns the value of the cookie."""
        return str(self._signer.dumps(list(session)))

    def read(self, cookie: str | None) -> Session | None:
        """Returns the session of a cookie; ``None`` if it is forged, over, or of nobody."""
        if not cookie:
            return None
        try:
            session = Session(*self._signer.loads(cookie))
        except (BadSignature, TypeError):
            return None
        return session if self._is_good(session) else None

    def use(self, session: Session) -> Session | None:
        """Notes that a person used it; returns what to write to the cookie, if it is time."""
        now_s = int(self._now_s())
        self._used[session.session_id] = now_s
        self._used.move_to_end(session.session_id)
        while len(self._used) > _MOST_REMEMBERED:
            self._used.popitem(last=False)
        return session._replace(used_s=now_s) if now_s - session.used_s >= _REFRESH_S else None

    def person(self, session: Session) -> Person | None:
        """Returns who it is now; ``None`` once it is over."""
        user = self._users.find(session.user)
        if user is None or not self._is_good(session):
            return None
        return Person(
            session.user,
            user.name or session.user,
            Role.VIEWER if session.is_kiosk else user.rank,
            "kiosk" if session.is_kiosk else "session",
            None if user.wards is None else frozenset(user.wards),
            session.ends_s * 1000,
            session.is_kiosk,
        )

    def _is_good(self, session: Session) -> bool:
        now_s, user = self._now_s(), self._users.find(session.user)
        used_s = max(session.used_s, self._used.get(session.session_id, 0))
        return (
            user is not None
            and user.version == session.version
            and session.session_id not in self._ended
            and now_s < session.ends_s
            and (session.is_kiosk or now_s - used_s < _IDLE_S)
        )
