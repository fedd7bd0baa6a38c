from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.board.users import UsersFile, is_secret_of
from streamer.cli import app


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMER_BOARD_USERS", str(tmp_path / "users.json"))
    return tmp_path / "users.json"


def run(*arguments: str, typed: str = "") -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["users", *arguments], input=typed)
    return ended.exit_code, ended.output


def test_a_user_from_the_first_day_to_the_last(path: Path) -> None:
    added = run(
        "add", "a.nurse", "--role", "nurse", "--full-name", "Anna", "--ward", "A", "--ward", "B",
        typed="correct horse\n",
    )  # fmt: skip
    assert added == (0, "Added a.nurse, nurse.\n")
    assert run("pin", "a.nurse", typed="314159\n")[0] == 0
    listed = run("list", "--json")[1]
    assert json.loads(listed) == {
        "user": "a.nurse", "name": "Anna", "role": "nurse", "wards": ["A", "B"], "pin": True,
    }  # fmt: skip
    assert "A, B" in run("list")[1]
    assert run("passwd", "a.nurse", typed="battery staple\n")[0] == 0
    user = UsersFile(path).all()["a.nurse"]
    assert is_secret_of(user.password, "battery staple")
    assert is_secret_of(user.pin, "314159")
    assert run("remove", "a.nurse")[0] == 0
    assert UsersFile(path).all() == {}


@pytest.mark.parametrize(
    ("arguments", "typed", "words"),
    [
        (("add", "a", "--role", "chief"), "correct horse\n", "one of viewer, nurse, admin"),
        (("add", "a b", "--role", "nurse"), "correct horse\n", "not a user name"),
        (("add", "a", "--role", "nurse"), "short\n", "too short"),
        (("add", "known", "--role", "nurse"), "correct horse\n", "exists already"),
        (("pin", "known"), "12\n", "6 digits"),
        (("remove", "nobody"), "", "there is no user"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(
    path: Path, arguments: tuple[str, ...], typed: str, words: str
) -> None:
    run("add", "known", "--role", "viewer", typed="correct horse\n")
    before = path.read_bytes()
    code, output = run(*arguments, typed=typed)
    assert code == 2
    assert words in output
    assert path.read_bytes() == before
