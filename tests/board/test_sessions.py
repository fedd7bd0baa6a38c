from __future__ import annotations

from pathlib import Path

import pytest

from streamer.board.sessions import Session, Sessions
from streamer.board.users import User, UsersFile


@pytest.fixture
def file(tmp_path: Path) -> UsersFile:
    file = UsersFile(tmp_path / "users.json")
    with file.changing() as users:
        users["a"] = User("nurse", "hash", wards=["A"])
    return file


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


def test_another_board_with_the_same_secret_knows_a_session(file: UsersFile) -> None:
    clock = Clock()
    here, there = Sessions("s" * 32, file, clock), Sessions("s" * 32, file, clock)
    foreign = Sessions("t" * 32, file, clock)
    user = file.find("a")
    assert user is not None
    cookie = here.write(here.begin("a", user, is_kiosk=False))
    session = there.read(cookie)
    assert session is not None
    person = there.person(session)
    assert person is not None
    assert person.wards == frozenset("A")
    assert foreign.read(cookie) is None


@pytest.mark.parametrize("cookie", ["", "x", "WyJhIl0.x", None])
def test_what_is_no_cookie_is_nobody(file: UsersFile, cookie: str | None) -> None:
    assert Sessions("s" * 32, file, Clock()).read(cookie) is None


def test_a_signed_cookie_of_another_form_is_nobody(file: UsersFile) -> None:
    sessions = Sessions("s" * 32, file, Clock())
    for content in ([], [1, 2], {"user": "a"}, "text"):
        assert sessions.read(str(sessions._signer.dumps(content))) is None


def test_use_renews_the_cookie_once_a_minute(file: UsersFile) -> None:
    clock = Clock()
    sessions = Sessions("s" * 32, file, clock)
    session = Session("id", "a", file.all()["a"].version, int(clock.now_s), int(clock.now_s), False)
    clock.now_s += 59
    assert sessions.use(session) is None
    clock.now_s += 29 * 60
    renewed = sessions.use(session)
    assert renewed is not None
    assert renewed.used_s == clock.now_s
    clock.now_s += 29 * 60
    assert sessions.person(session) is not None, "this board remembers the use itself"
    clock.now_s += 60
    assert sessions.person(session) is None
