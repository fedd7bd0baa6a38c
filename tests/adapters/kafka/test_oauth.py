from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from kafka.errors import SaslAuthenticationFailedError

from streamer.adapters.kafka.oauth import ClientCredentials, TokenFile

SECRET = "c4nary"


class Endpoint(HTTPServer):
    """A token endpoint: each answer has a new token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, dict[str, list[str]]]] = []
        self.life_s = 3600.0
        self.answer: bytes | None = None
        self.status, self.location = 0, ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/token"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.requests.append((self.headers["Authorization"], parse_qs(body)))
        content = {"access_token": f"token-{len(self.server.requests)}"}
        answer = (
            self.server.answer or json.dumps(content | {"expires_in": self.server.life_s}).encode()
        )
        self.send_response(self.server.status or (400 if answer == b"refused" else 200))
        self.send_header("Location", self.server.location)
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        self.server.requests.append((self.headers["Authorization"], {}))

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_token_is_asked_for_with_client_id_and_secret(endpoint: Endpoint) -> None:
    source = ClientCredentials(endpoint.url, "ward", lambda: SECRET, "kafka", "")
    assert source.token() == source.token() == "token-1"
    ((authorization, fields),) = endpoint.requests
    assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == f"ward:{SECRET}"
    assert fields == {"grant_type": ["client_credentials"], "scope": ["kafka"]}


def test_a_token_is_renewed_before_it_ends_and_the_secret_is_read_again(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("streamer.adapters.kafka.oauth.time.monotonic", lambda: now)
    secrets = iter(("one", "two"))
    source = ClientCredentials(endpoint.url, "ward", lambda: next(secrets), "", "")
    endpoint.life_s = 100
    assert source.token() == "token-1"
    now = 179.0
    assert source.token() == "token-1"
    now = 181.0
    assert source.token() == "token-2"
    sent = [base64.b64decode(header[6:]).decode() for header, _ in endpoint.requests]
    assert sent == ["ward:one", "ward:two"]


@pytest.mark.parametrize("answer", [b"refused", b"no json", b"{}", b"[]", b'{"access_token":""}'])
def test_an_endpoint_that_gives_none_is_named_without_the_secret(
    endpoint: Endpoint, answer: bytes
) -> None:
    endpoint.answer = answer
    source = ClientCredentials(endpoint.url, "ward", lambda: SECRET, "", "")
    with pytest.raises(SaslAuthenticationFailedError, match="gives no token") as error:
        source.token()
    assert endpoint.url in str(error.value)
    assert SECRET not in str(error.value)


def test_an_endpoint_that_is_away_is_named() -> None:
    source = ClientCredentials("http://127.0.0.1:1/token", "ward", lambda: SECRET, "", "")
    with pytest.raises(SaslAuthenticationFailedError, match="127"):
        source.token()


def test_the_file_of_a_token_is_read_at_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "token"
    source = TokenFile(str(file))
    with pytest.raises(OSError):
        source.token()
    for token in ("one", "two"):
        file.write_text(f"{token}\n")
        assert source.token() == token
    for wrong in ("", "two words", "\x00", "ü"):
        file.write_text(wrong)
        with pytest.raises(ValueError, match="no token"):
            source.token()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_secret_does_not_follow_a_redirect(endpoint: Endpoint, status: int) -> None:
    endpoint.status, endpoint.location = status, f"{endpoint.url}/elsewhere"
    source = ClientCredentials(endpoint.url, "ward", lambda: SECRET, "", "")
    with pytest.raises(SaslAuthenticationFailedError, match=f"no token: HTTP Error {status}"):
        source.token()
    assert len(endpoint.requests) == 1
