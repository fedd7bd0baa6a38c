from __future__ import annotations

from pathlib import Path

import pytest

from streamer.board.people import Role
from streamer.board.session_routes import AGAIN
from streamer.board.users import hash_password
from streamer.core.time import HOUR_MS, MINUTE_MS
from tests.support.board import ORIGIN, PASSWORD, BoardTrial, risk


@pytest.fixture
def trial(tmp_path: Path) -> BoardTrial:
    trial = BoardTrial(tmp_path / "users.json", config={"auth": "session"})
    trial.add_user("a.nurse", Role.NURSE)
    trial.write(risk())
    return trial


def login(user: str, password: str) -> dict[str, str]:
    return {"user": user, "password": password}


def test_without_a_session_there_is_only_the_page(trial: BoardTrial) -> None:
    with trial.client() as client:
        for path in ("board", "stream", "patients/p1", "alerts", "audit", "burden", "session"):
            answer = client.get(f"/api/{path}")
            assert (answer.status_code, answer.json()["error"]) == (401, "login"), path
        assert client.get("/").status_code == 200


def test_a_session_says_who_it_is_and_ends(trial: BoardTrial) -> None:
    with trial.client("a.nurse") as client:
        answer = client.get("/api/session").json()
        assert answer == {
            "user": "a.nurse", "name": "A.Nurse", "role": "nurse", "kiosk": False,
            "expires": "2026-01-01T22:00:00Z", "wards": None,
        }  # fmt: skip
        cookie = client.cookies["vigil"]
        assert client.delete("/api/session", headers=ORIGIN).status_code == 204
        client.cookies.clear()
        client.cookies.set("vigil", cookie)
        assert client.get("/api/session").status_code == 401, "the old cookie is void"


def test_the_cookie_is_kept_from_scripts_and_other_sites(trial: BoardTrial) -> None:
    with trial.client() as client:
        answer = client.post("/api/session", json=login("a.nurse", PASSWORD), headers=ORIGIN)
    words = answer.headers["set-cookie"].lower()
    assert "httponly" in words
    assert "samesite=strict" in words
    assert "secure" not in words, "on loopback only"


def test_a_wrong_name_and_a_wrong_password_look_the_same(trial: BoardTrial) -> None:
    with trial.client() as client:
        wrong = [
            client.post("/api/session", json=login(user, "wrong password"), headers=ORIGIN)
            for user in ("a.nurse", "nobody")
        ]
    assert [answer.status_code for answer in wrong] == [401, 401]
    assert wrong[0].content == wrong[1].content


def test_the_sixth_login_of_a_minute_is_refused(trial: BoardTrial) -> None:
    with trial.client() as client:
        codes = [
            client.post("/api/session", json=login("a.nurse", "wrong"), headers=ORIGIN).status_code
            for _ in range(6)
        ]
        assert codes == [401] * 5 + [429]
        right = login("a.nurse", PASSWORD)
        assert client.post("/api/session", json=right, headers=ORIGIN).status_code == 429
        trial.now_s += 61
        assert client.post("/api/session", json=right, headers=ORIGIN).status_code == 204


def test_tampered_removed_and_changed_users_are_out(trial: BoardTrial) -> None:
    with trial.client("a.nurse") as client:
        assert trial.users is not None
        cookie = client.cookies["vigil"]
        client.cookies.clear()
        client.cookies.set("vigil", ("x" if cookie[0] != "x" else "y") + cookie[1:])
        assert client.get("/api/board").status_code == 401
        client.cookies.clear()
        client.cookies.set("vigil", cookie)
        assert client.get("/api/board").status_code == 200
        with trial.users.changing() as users:
            users["a.nurse"].password = hash_password("another password")
        assert client.get("/api/board").status_code == 401
    trial.add_user("a.nurse", Role.NURSE)
    with trial.client("a.nurse") as client:
        with trial.users.changing() as users:
            users.clear()
        assert client.get("/api/board").status_code == 401


def test_a_session_ends_after_half_an_hour_without_use_or_a_shift(trial: BoardTrial) -> None:
    with trial.client("a.nurse") as client:
        trial.now_ms += 29 * MINUTE_MS
        assert client.get("/api/board").status_code == 200, "looking is no use"
        trial.now_ms += MINUTE_MS
        assert client.get("/api/board").status_code == 401
    with trial.client("a.nurse") as client:
        for _ in range(3):
            trial.now_ms += 10 * MINUTE_MS
            last = client.get(f"/api/patients/p1?{AGAIN}=true").status_code
        assert last == 401, "a page that loads by itself is no use"
    with trial.client("a.nurse") as client:
        for _ in range(12 * 2 + 1):
            trial.now_ms += 29 * MINUTE_MS
            last = client.get("/api/alerts").status_code
        assert last == 401, "twelve hours are over"


def test_a_kiosk_looks_for_ninety_days(trial: BoardTrial) -> None:
    with trial.client("a.nurse", kiosk=True) as client:
        trial.now_ms += 89 * 24 * HOUR_MS
        session = client.get("/api/session").json()
        assert (session["kiosk"], session["role"]) == (True, "viewer")
        trial.now_ms += 24 * HOUR_MS
        assert client.get("/api/session").status_code == 401


def test_a_body_that_is_no_login_is_refused(trial: BoardTrial) -> None:
    with trial.client() as client:
        deep = '{"user": "a", "password": "b", "x": ' + "[" * 2_000 + "]" * 2_000 + "}"
        long = '{"user": "' + "x" * 5_000 + '"}'
        for body in ("{", "[]", '{"user": 1, "password": "x"}', long, deep):
            headers = ORIGIN | {"content-type": "application/json"}
            answer = client.post("/api/session", content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (400, "body")
