"""The whole board as a process runs it, on the in-memory log: threads, sockets, streams."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator

import orjson
import pytest

from streamer.board import server
from streamer.board.board import Audience
from streamer.core.alert_messages import Content
from streamer.ports.ward import Progress, WardRecord
from tests.support.board import NOW_MS, BoardTrial, alert, risk, stay
from tests.support.certificates import Authority
from tests.support.wait import wait_until

DEADLINE_S = 20.0
REQUEST = b"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Browser:
    """A socket that follows the stream and remembers when each message came."""

    def __init__(self, address: tuple[str, int], *, reads: bool = True) -> None:
        self.socket = socket.create_connection(address, timeout=DEADLINE_S)
        self.socket.sendall(REQUEST)
        self.content = b""
        self.ended = threading.Event()
        if reads:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while part := self.socket.recv(65_536):
                self.content += part
        self.ended.set()

    def waits_for(self, word: bytes) -> None:
        wait_until(lambda: word in self.content, DEADLINE_S, f"{word!r} on the stream")


@contextlib.contextmanager
def running(
    trial: BoardTrial, certificate: tuple[str, str | None] | None = None
) -> Iterator[tuple[tuple[str, int], threading.Event]]:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address: tuple[str, int] = listening.getsockname()
        thread = threading.Thread(
            target=server.serve,
            args=(trial.context, trial.ward.topics, trial.ward, listening, certificate, stop),
        )
        thread.start()
        try:
            yield address, stop
        finally:
            stop.set()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


def write(trial: BoardTrial, message: Content) -> None:
    topic = "alerts" if "phase" in message else "risk" if "risk" in message else "stays"
    key = message["patient_id"].encode()
    trial.ward.records.append(WardRecord(topic, NOW_MS, key, orjson.dumps(message)))


def test_a_board_starts_without_kafka_catches_up_and_says_bye() -> None:
    trial = BoardTrial()
    trial.ward.available = False
    with running(trial) as (address, stop):
        wait_until(lambda: trial.board.watch.kafka_since_ms, DEADLINE_S, "a banner")
        browser = Browser(address)
        browser.waits_for(b'"kafka":"away"')
        write(trial, stay())
        write(trial, alert("start"))
        trial.ward.available = True
        browser.waits_for(b'"state":"open"')
        write(trial, alert("acknowledge", 1, by={"user": "a.nurse"}))
        browser.waits_for(b'"acknowledged_by":"a.nurse"')
        began = time.monotonic()
        stop.set()
        assert browser.ended.wait(DEADLINE_S)
        assert time.monotonic() - began < 3
    assert browser.content.rstrip(b"\r\n0").endswith(b"event: bye\ndata: {}")


def test_a_board_with_a_certificate_speaks_tls_alone(authority: Authority) -> None:
    files = authority.issue("board", hosts=("127.0.0.1",))
    trial = BoardTrial()
    with running(trial, (str(files.certificate), str(files.key))) as ((host, port), _):
        context = ssl.create_default_context(cafile=str(authority.ca))
        url = f"https://{host}:{port}/api/session"
        with urllib.request.urlopen(url, timeout=DEADLINE_S, context=context) as answer:
            assert orjson.loads(answer.read())["user"] == "anonymous"
            assert "max-age" in answer.headers["Strict-Transport-Security"]
        with pytest.raises(OSError, match=r".+"):
            urllib.request.urlopen(f"http://{host}:{port}/", timeout=DEADLINE_S)


def test_browsers_that_do_not_read_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 browsers, two of them silent; an alert reaches the others within a second."""
    monkeypatch.setattr("streamer.board.hub._SYSTEM_EVERY_S", 0.5)
    trial = BoardTrial()
    trial.ward.progress = Progress({0: 1}, {0: 1})
    for i in range(60):
        write(trial, stay(f"p{i}", label="x" * 40))
        write(trial, risk(0.1, 0, f"p{i}"))
    with running(trial) as (address, _):
        wait_until(lambda: trial.board.is_loaded, DEADLINE_S, "the ward")
        wait_until(lambda: list(trial.board.cards(Audience())), DEADLINE_S)
        silent = [Browser(address, reads=False) for _ in range(2)]
        browsers = [Browser(address) for _ in range(198)]
        for browser in browsers:
            browser.waits_for(b"event: snapshot")
        for n in range(3):
            began = time.monotonic()
            for i in range(60):
                write(trial, alert("start", n, f"p{i}", severity="high", alert_id=f"p{i}/x{n}/1"))
            word = b"/x%d/1" % n
            for browser in browsers:
                browser.waits_for(word)
            assert time.monotonic() - began < 2.0, "198 browsers and their threads on this machine"
        waiting = [len(stream.waiting) for stream in trial.context.hub._streams]
        assert max(waiting) <= 64
        for browser in silent:
            browser.socket.close()
