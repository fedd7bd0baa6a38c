"""A board on an in-memory log, and messages of the service written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from starlette.testclient import TestClient

from streamer.adapters.memory.states import MemoryStates
from streamer.adapters.memory.ward import MemoryWard
from streamer.board.app import make_app
from streamer.board.assets import Assets
from streamer.board.board import Audience, Board, BoardConfig
from streamer.board.context import Context, Login
from streamer.board.follower import changes
from streamer.board.guards import Guard, NoGuard, SessionGuard
from streamer.board.hub import Hub
from streamer.board.people import Role
from streamer.board.sessions import Sessions
from streamer.board.users import User, UsersFile, hash_password, hash_pin
from streamer.core.alert_messages import Content
from streamer.core.time import MINUTE_MS, rfc3339
from streamer.ports.models import ModelChannel
from streamer.ports.ward import WardRecord
from streamer.service.model_facts import ModelShelf

NOW_MS = 1_767_261_600_000  # 2026-01-01T10:00:00Z
PASSWORD, PIN = "correct horse", "314159"
SECRET = "s" * 32
ORIGIN = {"Origin": "http://127.0.0.1:8080", "X-Vigil": "1"}


def at(minutes: float) -> str:
    """A time as messages have it, in minutes from the tests' own."""
    return rfc3339(NOW_MS + round(minutes * MINUTE_MS))


def alert(phase: str, minutes: float = 0, patient: str = "p1", **fields: Any) -> Content:
    """An alert message, as the service writes them without the response."""
    return {
        "alert_id": f"{patient}/{at(-60)}/1",
        "patient_id": patient,
        "time": at(minutes),
        "phase": phase,
        "severity": "medium",
        "risk": 0.31,
        "threshold": 0.18,
        "horizon_hours": 6,
        "reasons": [],
        "news2": 7,
        "model": "3fa9c1d20b77",
        "partition": 3,
        "offset": 1000 + round(minutes),
        **fields,
    }


REASON = {
    "variable": "lactate", "value": 4.1, "unit": "mmol/L", "age_minutes": 25, "direction": "high",
    "contribution": 0.62,
}  # fmt: skip


def risk(value: float = 0.05, minutes: float = 0, patient: str = "p1", **fields: Any) -> Content:
    """A risk message."""
    return {
        "patient_id": patient,
        "time": at(minutes),
        "bin": 37,
        "risk": value,
        "horizons": {"6h": value},
        "threshold": 0.024,
        "positive": True,
        "news2": 5,
        "qsofa": 1,
        "data": {"hours_of_data": 38, "oldest_vital_minutes": 12, "values_missing": ["lactate"]},
        "last": {"heart_rate": [112, 3]},
        "model": "3fa9c1d20b77",
        "partition": 3,
        "offset": 1000 + round(minutes),
        **fields,
    }


def stay(
    patient: str = "p1", ward: str | None = "A", bed: str | None = "4", **fields: Any
) -> Content:
    """A record of the topic `stays`."""
    return {
        "patient_id": patient, "label": f"Label {patient}", "ward": ward, "bed": bed, "age": 61,
        "sex": "female", "admitted": at(-600), "discharged": None, "pause": None, "alert": None,
        "antibiotic_since": None, "time": at(0), "model": "3fa9c1d20b77", "partition": 3,
        "offset": 900, **fields,
    }  # fmt: skip


class NoModels(ModelChannel):
    """A channel on which nothing was published."""

    def champion(self) -> None:
        """See ``ModelChannel``."""

    def recent(self) -> list[str]:
        """See ``ModelChannel``."""
        return []


class BoardTrial:
    """A board, its log, and clients of it."""

    def __init__(
        self,
        users: Path | None = None,
        *,
        guard: Guard | None = None,
        wards: frozenset[str] | None = None,
        action_key: Callable[[], str] = str,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.now_ms, self.now_s = NOW_MS, 0.0
        self.ward, self.states = MemoryWard(), MemoryStates()
        limits = {
            "respond_high": 600.0, "respond_medium": 1800.0, "snooze_max": 7200.0,
            "snooze_max_high": 1800.0, "pause_max": 43_200.0,
        }  # fmt: skip
        settings: Any = {
            "clock": "wall", "zone": "UTC", "auth": "none", "stale_minutes": 15,
            "privacy": False, "sound": False, "limits": limits, **(config or {}),
        }  # fmt: skip
        self.board = Board(BoardConfig(**settings), lambda: self.now_ms)
        self.users = None if users is None else UsersFile(users)
        login: Login | None = None
        if self.users is not None:
            sessions = Sessions(SECRET, self.users, lambda: self.now_ms / 1000)
            login, guard = Login(sessions, self.users, False), SessionGuard(sessions)
        self.context = Context(
            self.board,
            Hub(self.board),
            guard or NoGuard(),
            Assets(),
            self.ward,
            self.ward.open,
            self.states,
            ModelShelf(NoModels),
            login,
            wards,
            action_key,
            lambda: self.now_s,
        )
        self.app = make_app(self.context)

    def write(self, *messages: Content) -> None:
        """Writes messages of the service to the log; the board reads and publishes them."""
        self.read(*messages)
        self.board.publish()

    def read(self, *messages: Content) -> None:
        """Writes messages of the service to the log, and the board reads them."""
        records = [WardRecord(*_addressed(m)) for m in messages]
        self.ward.records += records
        self.board.apply(changes(records, self.ward.topics))

    def add_user(self, name: str, role: Role, wards: list[str] | None = None) -> None:
        """Adds a user whose password and PIN are the tests'."""
        assert self.users is not None
        with self.users.changing() as accounts:
            password, pin = _hashes()
            accounts[name] = User(role.word, password, name.title(), wards, pin)

    @contextmanager
    def client(self, user: str | None = None, *, kiosk: bool = False) -> Iterator[TestClient]:
        """A browser, logged in if a user is named."""
        client = TestClient(
            self.app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 50_000)
        )
        with client:
            if user is not None:
                body = {"user": user, "password": PASSWORD, "kiosk": kiosk}
                answer = client.post("/api/session", json=body, headers=ORIGIN)
                assert answer.status_code == 204, answer.text
            yield client

    def card(self, patient: str = "p1") -> Content:
        """The card of a patient, as JSON."""
        shown = self.board.card_of(patient, Audience())
        assert shown is not None
        content: Content = orjson.loads(shown.json)
        return content


ACTION_ID = "6f1c1c0e-7a57-4f0e-9f55-0b1f0a3a8a10"


def action(kind: str = "acknowledge", patient: str = "p1", **fields: Any) -> Content:
    """The body of an action on the alert of ``alert``."""
    return {
        "action": kind, "action_id": ACTION_ID, "patient_id": patient,
        "alert_id": f"{patient}/{at(-60)}/1", "revision": 1, **fields,
    }  # fmt: skip


@cache  # each costs some 50 ms, as it should
def _hashes() -> tuple[str, str]:
    return hash_password(PASSWORD), hash_pin(PIN)


def _addressed(message: Content) -> tuple[str, int, bytes, bytes]:
    topic = "alerts" if "phase" in message else "risk" if "risk" in message else "stays"
    return topic, NOW_MS, message["patient_id"].encode(), orjson.dumps(message)
