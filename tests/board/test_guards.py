from __future__ import annotations

import ipaddress

import pytest
from starlette.testclient import TestClient

from streamer.board.guards import NoGuard, ProxyGuard, read_networks, read_roles
from streamer.board.people import Role
from tests.support.board import ORIGIN, BoardTrial, action, alert, stay


def proxied() -> BoardTrial:
    guard = ProxyGuard(
        read_networks("10.1.0.0/16,::1/128"),
        "X-Forwarded-User",
        read_roles("icu=nurse,look=viewer"),
    )
    trial = BoardTrial(guard=guard, config={"auth": "proxy"})
    trial.write(stay(), alert("start"))
    return trial


def browser(trial: BoardTrial, address: str) -> TestClient:
    return TestClient(trial.app, base_url="http://127.0.0.1:8080", client=(address, 40_000))


def test_a_listed_proxy_names_user_and_role() -> None:
    trial, headers = (
        proxied(),
        {"X-Forwarded-User": "anna", "X-Forwarded-Groups": "other, icu,look"},
    )
    for address in ("10.1.2.3", "::1", "::ffff:10.1.2.3"):
        answer = browser(trial, address).get("/api/session", headers=headers)
        assert (answer.status_code, answer.json()["role"]) == (200, "nurse"), address
    acted = browser(trial, "10.1.2.3").post(
        "/api/alerts/actions", json=action(), headers=ORIGIN | headers
    )
    assert acted.status_code == 202
    assert b'"how":"proxy"' in trial.ward.actions[0].value


def test_headers_of_others_are_worth_nothing() -> None:
    trial, headers = proxied(), {"X-Forwarded-User": "anna", "X-Forwarded-Groups": "icu"}
    for address in ("10.2.0.1", "127.0.0.1", "testclient"):
        answer = browser(trial, address).get("/api/board", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "proxy"), address


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Forwarded-User": " "}, {"X-Forwarded-User": "anna"},
     {"X-Forwarded-User": "anna", "X-Forwarded-Groups": "cleaning"},
     {"X-Forwarded-Groups": "icu"}],
)  # fmt: skip
def test_a_proxy_that_names_no_user_or_no_role_lets_nobody_in(headers: dict[str, str]) -> None:
    assert browser(proxied(), "10.1.2.3").get("/api/board", headers=headers).status_code == 403


def test_nobody_logs_in_where_a_proxy_does() -> None:
    answer = browser(proxied(), "10.1.2.3").post("/api/session", json={}, headers=ORIGIN)
    assert answer.status_code == 404


def test_without_login_a_foreign_name_of_this_machine_is_refused() -> None:
    trial = BoardTrial(guard=NoGuard())
    with trial.client() as client:
        assert client.get("/api/session").json()["name"] == "anonymous (unverified)"
        rebound = client.get("/api/board", headers={"Host": "evil.example:8080"})
        assert (rebound.status_code, rebound.json()["error"]) == (403, "host")


def test_networks_and_roles_are_read_strictly() -> None:
    assert read_networks("") == []
    for wrong in ("0.0.0.0/0", "::/0", "10.1.2.3/16", "proxy.example"):
        with pytest.raises(ValueError, match=r".+"):
            read_networks(wrong)
    assert read_networks("10.0.0.1")[0] == ipaddress.ip_network("10.0.0.1/32")
    assert read_roles("a=nurse, b=admin") == {"a": Role.NURSE, "b": Role.ADMIN}
    for wrong in ("nurse", "=nurse", "a=chief"):
        with pytest.raises(ValueError, match=r".+"):
            read_roles(wrong)
