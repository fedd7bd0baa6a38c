"""No output of any command holds a secret, whatever goes wrong."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import trainer.cli
from streamer import cli
from streamer.adapters.kafka import topics
from streamer.adapters.redis import client

CANARY = "c4nary"

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("topics",),
    ("check",),
    ("check", "--json"),
    ("run", "--exit-when-idle", "0"),
    ("alerts", "--from-beginning"),
    ("patient", "p1"),
    ("pseudonym", "p1"),
    ("rejected", "list"),
    ("rejected", "show", "1"),
    ("rejected", "replay", "--yes"),
    ("simulate", "--beds", "1", "--hours", "1"),
)
TRAINER_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("models", "list"),
    ("models", "show"),
    ("run", "--data", ".", "--once"),
)
# Each leads to exit code 2 before anything is opened.
UNREADABLE = {
    "REDIS_URL": (
        f"redis://:{CANARY}#x@127.0.0.1:1/0",
        f"redis://:{CANARY}/x@127.0.0.1:1/0",
        f"redis://:{CANARY}?x@127.0.0.1:1/0",
        f":{CANARY}@127.0.0.1:1",
        f'"redis://:{CANARY}@127.0.0.1:1/0"',
        f"redis://{CANARY}@127.0.0.1:1/0",
        f"redis://:{CANARY}@127.0.0.1:{CANARY}/0",
        f"redis://:{CANARY}@127.0.0.1:1/{CANARY}",
        f"redis://:{CANARY}@127.0.0.1:1/0?{CANARY}={CANARY}",
        f"redis+cluster://:{CANARY}@127.0.0.1:1/3",
    ),
    "KAFKA_BOOTSTRAP_SERVERS": (f"u:{CANARY}@127.0.0.1:1", f"SASL_SSL://u:{CANARY}@127.0.0.1:1"),
    "STREAMER_KAFKA_SASL_PASSWORD": (CANARY, f"'{CANARY}'", f"{CANARY}\n"),
    "STREAMER_KAFKA_SSL_PASSWORD": (CANARY,),
    "STREAMER_KAFKA_OAUTH_CLIENT_SECRET": (CANARY,),
    "STREAMER_KAFKA_OAUTH_URL": (f"https://u:{CANARY}@login.example/",),
    "STREAMER_LOG_KEY": (f'"{CANARY}"',),
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("STREAMER_", "TRAINER_", "KAFKA_", "REDIS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STREAMER_HTTP_PORT", "0")
    monkeypatch.setenv("TRAINER_REGISTRY", str(tmp_path / "registry"))


def outcome(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    program: Callable[[], None],
    words: tuple[str, ...],
) -> tuple[int, str]:
    """The exit code and all output of a command of this process."""
    monkeypatch.setattr(sys, "argv", ["program", *words])
    with pytest.raises(SystemExit) as ended:
        program()
    captured = capfd.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), captured.out + captured.err


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in UNREADABLE.items() for value in values]
)
def test_settings_that_cannot_be_read_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    if name == "STREAMER_KAFKA_OAUTH_URL":
        monkeypatch.setenv("STREAMER_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
        monkeypatch.setenv("STREAMER_KAFKA_SASL_MECHANISM", "OAUTHBEARER")
    for words in COMMANDS:
        code, output = outcome(monkeypatch, capfd, cli.main, words)
        assert code == 2, words
        assert name in output, words
        assert CANARY not in output, words
        assert "Traceback" not in output, words
    if name == "REDIS_URL" and '"' not in value:
        for command in TRAINER_COMMANDS[1:]:
            code, output = outcome(monkeypatch, capfd, trainer.cli.main, command)
            assert CANARY not in output, command


@pytest.fixture
def rude_server() -> Iterator[int]:
    """Answers each connection with a line that repeats what it was sent, as proxies do."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(0.2)
                    try:
                        question = connection.recv(4096)[:80].replace(b"\r\n", b" ")
                        connection.sendall(b"-ERR what is " + question + b"\r\n")
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(
    "url", ["redis://u:{}@127.0.0.1:{}/0", "redis+cluster://u:{}@127.0.0.1:{}"]
)
def test_servers_that_are_away_or_strange_bring_no_secret_out(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    rude_server: int,
    url: str,
) -> None:
    monkeypatch.setattr(topics, "_REACH_TIMEOUT_MS", 200)
    monkeypatch.setattr(client, "TIMEOUT_S", 0.5)
    sasl = {
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{rude_server}",
        "STREAMER_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "STREAMER_KAFKA_SASL_MECHANISM": "PLAIN",
        "STREAMER_KAFKA_SASL_USERNAME": "u",
        "STREAMER_KAFKA_SASL_PASSWORD": CANARY,
        "STREAMER_LOG_KEY": CANARY,
    }
    for name, value in sasl.items():
        monkeypatch.setenv(name, value)
    for port in (1, rude_server):
        monkeypatch.setenv("REDIS_URL", url.format(CANARY, port))
        for words in (("topics",), ("check",), ("check", "--json"), ("patient", "p1")):
            code, output = outcome(monkeypatch, capfd, cli.main, words)
            assert code == 1, (words, output)
            assert CANARY not in output, words
            assert "Traceback" not in output, words
