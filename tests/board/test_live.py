"""Board, service, Kafka, Redis and a browser together: an answer goes all the way and back."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from bench.board import BOARD
from bench.reading import Tail
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.core.alert_messages import Content
from streamer.core.time import MINUTE_MS, rfc3339
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics
from tests.board.bed import of_bed
from tests.support.running_service import START_DEADLINE_S
from tests.support.wait import wait_until

DEADLINE_S = 30.0
# One second on an idle machine (W1, W2); tests run beside others.
SOON_MS = 5_000
WELL = {
    "heart_rate": 72, "map": 84, "temperature": 36.8, "resp_rate": 14, "sbp": 124, "spo2": 98,
    "lactate": 1.0, "wbc": 8, "fio2": 0.21, "creatinine": 0.9,
}  # fmt: skip
SICK = {
    "heart_rate": 135, "map": 48, "temperature": 39.6, "resp_rate": 34, "sbp": 78, "spo2": 88,
    "lactate": 7.5, "wbc": 24, "fio2": 0.7, "creatinine": 3.4,
}  # fmt: skip


class Ward:
    """The feed of one bed, and what the service says of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = KafkaProducer(**settings.kafka_connection())
        self._alerts = Tail(settings, settings.topic_alerts)
        self.alerts: list[Content] = []

    def send(self, minutes_ago: float, **fields: Any) -> None:
        time_ms = time.time_ns() // 1_000_000 - round(minutes_ago * MINUTE_MS)
        event = {"patient_id": "p1", "time": rfc3339(time_ms), **fields}
        value, topic = json.dumps(event).encode(), self._settings.topic_vitals
        self._producer.send(topic, value, b"p1", timestamp_ms=time_ms).get(timeout=10)

    def fall_ill(self) -> None:
        """A stay of three hours that goes well until this moment."""
        self.send(180, type="admission", ward="ICU", bed="4", label="Doe J", age=71, sex="female")
        for minutes_ago in (170, 120, 65):
            self.send(minutes_ago, values=WELL)
        self.send(0, values=SICK)

    def phase(self, phase: str) -> Content:
        """The message of a phase, once it is on the topic."""

        def look() -> Content | None:
            self.alerts += [json.loads(record.value) for record in self._alerts.poll()]
            return next((m for m in self.alerts if m["phase"] == phase), None)

        message = wait_until(look, DEADLINE_S, f"the phase {phase}")
        assert message is not None
        return message

    def close(self) -> None:
        self._producer.close()
        self._alerts.close()


@pytest.fixture
def live(stack: LocalStack, topic_prefix: str, tmp_path: Path) -> Iterator[tuple[Ward, list[str]]]:
    """A service and two boards of the same topics; the ward, and the boards' addresses."""
    variables = environment(
        stack, topic_prefix, partitions=2, board_auth="none", board_http_port=0, action_key="key"
    )
    settings = settings_of(variables)
    ensure_topics(settings)
    service = ServiceProcess(variables, tmp_path / "service.log")
    boards = [
        ServiceProcess(variables, tmp_path / f"board{i}.log", "--port=0", command=BOARD)
        for i in range(2)
    ]

    def addresses() -> list[str]:
        assert {board.exit_code for board in boards} == {None}, boards[0].log
        after = [board.log.partition("The board: ")[2] for board in boards]
        return [text.partition("\n")[0].strip() for text in after if "\n" in text]

    with running([service, *boards]), contextlib.closing(Ward(settings)) as ward:
        wait_until(lambda: len(addresses()) == 2, START_DEADLINE_S, "the addresses of the boards")
        yield ward, addresses()


def opened(browser: Browser, url: str, complaints: list[str]) -> Page:
    """A page of the board; what the browser complains of is kept."""

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page = browser.new_page(reduced_motion="reduce")
    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    return page


def post(url: str, **action: Any) -> int:
    """Sends an action as the page does; returns the status."""
    headers = {"Content-Type": "application/json", "X-Vigil": "1", "Origin": url.rstrip("/")}
    request = urllib.request.Request(
        f"{url}api/alerts/actions", json.dumps(action).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        status: int = answer.status
    return status


def test_an_acknowledgement_in_the_browser_is_a_phase_on_the_topic_and_stays(
    live: tuple[Ward, list[str]], browser: Browser
) -> None:
    ward, urls = live
    complaints: list[str] = []
    ward.fall_ill()
    start = ward.phase("start")
    here, there = (opened(browser, url, complaints) for url in urls)
    try:
        for page in (here, there):
            expect(of_bed(page, "4")).to_contain_text("OPEN", timeout=DEADLINE_S * 1000)
        card = of_bed(here, "4")
        for words in ("Doe J", "71 y F", "HIGH", "135", "last contact 0 min"):
            expect(card).to_contain_text(words)
        card.focus()
        here.keyboard.press("a")
        expect(here.locator("dialog .subject")).to_contain_text("Bed 4")
        here.keyboard.press("Enter")
        for page in (here, there):
            expect(of_bed(page, "4")).to_contain_text("ACKNOWLEDGED", timeout=SOON_MS)
        phase = ward.phase("acknowledge")
        assert (phase["alert_id"], phase["state"]) == (start["alert_id"], "acknowledged")
        assert (phase["acknowledged"], phase["by"]["how"]) == (phase["revision"], "none")
        here.reload()
        expect(of_bed(here, "4")).to_contain_text("ACKNOWLEDGED anonymous", timeout=SOON_MS)
        of_bed(here, "4").click()
        expect(here.locator(".history")).to_contain_text("acknowledged")
        expect(here.locator(".values")).to_contain_text("heart rate")
        # Pressed five times on two boards, it counts once.
        action = {
            "action": "unacknowledge", "action_id": str(uuid.uuid4()), "patient_id": "p1",
            "alert_id": start["alert_id"], "revision": phase["revision"],
        }  # fmt: skip
        assert [post(urls[i % 2], **action) for i in range(5)] == [202] * 5
        for page in (here, there):
            expect(page.locator("body")).to_contain_text("OPEN", timeout=SOON_MS)
        post(
            urls[0],
            **action | {"action": "feedback", "verdict": "true"} | {"action_id": str(uuid.uuid4())},
        )
        ward.phase("feedback")
        phases = [m["phase"] for m in ward.alerts]
        assert (phases.count("acknowledge"), phases.count("unacknowledge")) == (1, 1)
        assert not complaints
    finally:
        for page in (here, there):
            page.close()
