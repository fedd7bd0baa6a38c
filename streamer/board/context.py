"""The context of the routes: board, streams, login and adapters, made once and shared by all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection, Request

from streamer.board.assets import Assets
from streamer.board.attempts import Attempts, Lockout
from streamer.board.board import Audience, Board
from streamer.board.burden_cache import BurdenCache
from streamer.board.guards import Guard
from streamer.board.hub import Hub
from streamer.board.people import Person, Role
from streamer.board.refusals import Refused
from streamer.board.sessions import Sessions
from streamer.board.users import UsersFile
from streamer.ports.states import StateStore
from streamer.ports.ward import ActionLog, WardLog
from streamer.service.model_facts import ModelShelf


@dataclass(frozen=True, slots=True)
class Login:
    """What a login needs, with `session` alone."""

    sessions: Sessions
    users: UsersFile
    is_cookie_secure: bool
    attempts: Attempts = field(default_factory=lambda: Attempts(most=5, window_s=60))
    pins: Lockout = field(default_factory=lambda: Lockout(most=5, pause_s=300))


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running board.

    Attributes:
        wards: those that this board shows; ``None`` for all.
        open_log: connects to Kafka, to read the audit of earlier days.
        states: the stored stays, read-only.
        models: facts of models.
        action_key: returns the key of the actions' signature; empty for none.
        login: ``None`` where nobody logs in here.
        now_s: the clock that limits attempts.
    """

    board: Board
    hub: Hub
    guard: Guard
    assets: Assets
    actions: ActionLog
    open_log: Callable[[], WardLog]
    states: StateStore
    models: ModelShelf
    login: Login | None = None
    wards: frozenset[str] | None = None
    action_key: Callable[[], str] = str
    now_s: Callable[[], float] = time.monotonic
    burdens: BurdenCache = field(default_factory=BurdenCache)

    def person(self, request: HTTPConnection, least: Role = Role.VIEWER) -> Person:
        """Returns who asks.

        Raises:
            Refused: nobody who may do this.
        """
        person = self.guard.recognise(request)
        if person.role < least:
            raise Refused(403, "role", f"This needs the role {least.word}.")
        return person

    def audience(self, person: Person, ward: str | None = None) -> Audience:
        """Returns what a person sees, or one ward of it."""
        if person.wards is None or self.wards is None:
            wards = self.wards if person.wards is None else person.wards
        else:
            wards = self.wards & person.wards
        return Audience(wards, ward or None)


def context_of(request: Request) -> Context:
    """Returns the parts of the board that serves a request."""
    context: Context = request.app.state.context
    return context
