"""A person who uses the board, and what a role may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from streamer.board.api import Identity
from streamer.core.time import rfc3339_or_none


class Role(IntEnum):
    """What a person may do; each may do what those below may."""

    VIEWER = 1
    NURSE = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role as files and messages have it."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Role:
        """Reads a role.

        Raises:
            ValueError: there is no such role; the text names those that exist.
        """
        try:
            return cls[word.strip().upper()]
        except KeyError:
            words = ", ".join(role.word for role in cls)
            raise ValueError(f"{word!r} is not a role: one of {words}") from None


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes:
        user: the account's name.
        name: of the person, for people.
        role: what may be done.
        how: how the person was recognised: ``session``, ``kiosk``, ``pin``, ``proxy`` or ``none``.
        wards: those that may be seen; ``None`` for all.
        expires_ms: when the session ends, epoch milliseconds; ``None`` where there is none.
        is_kiosk: whether the session is a screen's, which asks for a PIN before it acts.
    """

    user: str
    name: str
    role: Role
    how: str
    wards: frozenset[str] | None = None
    expires_ms: int | None = None
    is_kiosk: bool = False

    def as_json(self) -> Identity:
        """The answer of `/api/session`."""
        return {
            "user": self.user,
            "name": self.name,
            "role": self.role.word,
            "kiosk": self.is_kiosk,
            "expires": rfc3339_or_none(self.expires_ms),
            "wards": None if self.wards is None else sorted(self.wards),
        }


ANONYMOUS = Person("anonymous", "anonymous (unverified)", Role.ADMIN, "none")
"""Who acts where nobody is asked: on this machine alone."""
