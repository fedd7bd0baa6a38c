from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from streamer.board import bootstrap
from streamer.board.guards import NoGuard, ProxyGuard, SessionGuard
from streamer.board.users import User, UsersFile
from streamer.core.alert_messages import Content
from streamer.service.board_settings import BoardSettings
from streamer.service.settings import Settings
from tests.support.paths import ROOT
from tests.test_docs import setting_row


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    with UsersFile(path).changing() as accounts:
        accounts["a"] = User("nurse", "hash")
    return path


def faults(host: str = "127.0.0.1", **settings: Any) -> dict[str, str]:
    made = Settings(**{f"board_{name}": value for name, value in settings.items()})
    return {fault.variable: fault.message for fault in bootstrap.faults(made, host)}


def test_a_board_with_login_needs_a_secret_and_users(users: Path, tmp_path: Path) -> None:
    assert faults(secret="s" * 32, users=users) == {}
    assert "31 bytes, 32 or more" in faults(secret="s" * 31, users=users)["STREAMER_BOARD_SECRET"]
    missing = faults(secret="s" * 32, users=tmp_path / "nobody.json")
    assert "streamer users add" in missing["STREAMER_BOARD_USERS"]
    users.write_text("{")
    assert "not a file of users" in faults(secret="s" * 32, users=users)["STREAMER_BOARD_USERS"]
    assert set(faults()) == {"STREAMER_BOARD_SECRET", "STREAMER_BOARD_USERS"}, "all at once"


def test_off_this_machine_tls_or_a_proxy_is_needed(users: Path, tmp_path: Path) -> None:
    session: Content = {"secret": "s" * 32, "users": users}
    for host in ("0.0.0.0", "192.0.2.1", "board.example", "::"):
        assert "passwords would be readable" in faults(host, **session)["STREAMER_BOARD_TLS_CERT"]
        assert "acknowledge" in faults(host, auth="none")["STREAMER_BOARD_AUTH"]
    certificate = tmp_path / "board.pem"
    certificate.write_text("")
    assert faults("0.0.0.0", tls_cert=str(certificate), **session) == {}
    assert faults("0.0.0.0", auth="proxy", proxy_trust="10.0.0.1/32") == {}
    assert faults("127.0.0.1", auth="none") == {}
    assert "is not a file" in faults(tls_cert="nowhere", **session)["STREAMER_BOARD_TLS_CERT"]
    assert set(faults(tls_key=str(certificate), **session)) == {"STREAMER_BOARD_TLS_KEY"}


def test_a_proxy_must_be_named() -> None:
    assert "is empty" in faults(auth="proxy")["STREAMER_BOARD_PROXY_TRUST"]
    assert set(faults(auth="proxy", proxy_trust="0.0.0.0/0", proxy_roles="x")) == {
        "STREAMER_BOARD_PROXY_TRUST", "STREAMER_BOARD_PROXY_ROLES",
    }  # fmt: skip


def test_weak_connections_off_this_machine_are_refused_where_tls_is_asked_for() -> None:
    settings = Settings(board_auth="none", require_tls=True, kafka_bootstrap_servers="kafka:9092")
    weaknesses = list(bootstrap.faults(settings, "127.0.0.1"))
    assert {fault.variable for fault in weaknesses} == {"STREAMER_REQUIRE_TLS"}
    assert any("KAFKA_SECURITY_PROTOCOL" in fault.message for fault in weaknesses)


def test_a_zone_must_exist() -> None:
    assert "IANA" in faults(auth="none", timezone="Mars")["STREAMER_BOARD_TIMEZONE"]


@pytest.mark.parametrize(
    ("auth", "guard"), [("none", NoGuard), ("proxy", ProxyGuard), ("session", SessionGuard)]
)
def test_the_parts_follow_the_settings(auth: str, guard: type, users: Path) -> None:
    settings = Settings(
        board_auth=auth,  # type: ignore[arg-type]  # one of them
        board_secret="s" * 32,  # type: ignore[arg-type]
        board_users=users,
        board_wards="A, B,",
        action_key="key",  # type: ignore[arg-type]
    )
    context = bootstrap.context_of(settings)
    assert isinstance(context.guard, guard)
    assert context.wards == frozenset({"A", "B"})
    assert context.action_key() == "key"
    assert (context.login is not None) == (auth == "session")


def test_a_new_key_of_actions_is_taken_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the service takes it: with the old one the board's actions would all be rejected."""
    file = tmp_path / "key"
    file.write_text("first")
    monkeypatch.setenv("STREAMER_ACTION_KEY_FILE", str(file))
    context = bootstrap.context_of(Settings(board_auth="none"))
    assert context.action_key() == "first"
    file.write_text("second")
    assert context.action_key() == "second"


def test_the_page_of_the_board_lists_its_settings_as_the_code_describes_them() -> None:
    page = (ROOT / "docs/board.md").read_text()
    rows = [
        setting_row(Settings.variable(name), field)
        for name, field in BoardSettings.model_fields.items()
    ]
    assert re.findall(r"^\| `STREAMER_[A-Z_]+` \|.*$", page, re.MULTILINE) == rows
