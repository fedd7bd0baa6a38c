"""How soon an answer on the board is a phase on the topic, and an alert a card in the browser.

    python -m bench.board_answers [--actions 1000] [--patients 200] [--rate 2000]

A service and a board on a Kafka and a Redis of their own; all patients send values, and somebody
acknowledges their alerts and takes it back, in turns. Then some more patients fall ill, and the
time is measured from the alert's record to the card in a real browser. Exit code 1: an answer has
not one phase, p50 is over 0.3 s or p99 over 1 s, or a card came later than 1 s.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import sys
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import numpy as np
from kafka import KafkaProducer

from bench.board_pictures import chromium
from bench.chaos.actions import Board
from bench.machine import describe
from bench.reading import Tail
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.core.time import HOUR_MS, MINUTE_MS
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_P50_S, _P99_S, _CARD_S = 0.3, 1.0, 1.0
_DEADLINE_S: Final = 120.0
_ACTIONS_A_SECOND: Final = 20.0
_LATER_PATIENTS: Final = 10
_WELL: Final = {
    "heart_rate": 72, "map": 84, "temperature": 36.8, "resp_rate": 14, "sbp": 124, "spo2": 98,
}  # fmt: skip
SICK: Final = {
    "heart_rate": 135, "map": 48, "temperature": 39.6, "resp_rate": 34, "sbp": 78, "spo2": 88,
    "lactate": 7.5, "wbc": 24, "fio2": 0.7, "creatinine": 3.4,
}  # fmt: skip
_WATCH: Final = """
window.seen = {};
new MutationObserver(() => {
  for (const card of document.querySelectorAll(".card.high, .card.medium"))
    window.seen[card.patient] ??= Date.now();
}).observe(document.body, { subtree: true, childList: true, attributes: true });
"""


class Feed(threading.Thread):
    """Values of all patients at a steady rate; those who are ill go on being ill.

    Attributes:
        sent: events so far.
    """

    def __init__(self, settings: Settings, patients: list[str], rate: float) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._topic, self._patients, self._rate = settings.topic_vitals, patients, rate
        self._producer = KafkaProducer(**settings.kafka_connection(), linger_ms=5)
        self._stopping = threading.Event()

    def fall_ill(self, patient: str, bed: int) -> None:
        """Sends the past of a patient: well for hours, then ill until now."""
        now_ms = time.time_ns() // 1_000_000
        self._send(patient, now_ms - 4 * HOUR_MS, type="admission", ward="ICU", bed=str(bed))
        for ago_ms in (230, 200, 150, 100, 40):
            values = _WELL if ago_ms > 180 else SICK
            self._send(patient, now_ms - ago_ms * MINUTE_MS, values=values)
        self._send(patient, now_ms, values=SICK)
        self._producer.flush(10)

    def run(self) -> None:
        """Sends until it is stopped."""
        began = time.monotonic()
        while not self._stopping.wait(0.02):
            for _ in range(int((time.monotonic() - began) * self._rate) - self.sent):
                patient = self._patients[self.sent % len(self._patients)]
                self._send(patient, time.time_ns() // 1_000_000, values=SICK)
                self.sent += 1

    def stop(self) -> None:
        """Ends it, with all events in the log."""
        self._stopping.set()
        self.join()
        self._producer.close()

    def _send(self, patient: str, time_ms: int, **fields: Any) -> None:
        event = {"patient_id": patient, "time": time_ms, **fields}
        self._producer.send(
            self._topic, json.dumps(event).encode(), patient.encode(), timestamp_ms=time_ms
        )


class Alerts(threading.Thread):
    """What is on the topic of alerts, with the time at which a subscriber had it.

    Attributes:
        phases: the moments at which phases of an action came, by its id.
        starts: timestamps of the records of starts, seconds, by patient.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.phases: dict[str, list[float]] = defaultdict(list)
        self.starts: dict[str, float] = {}
        self._tail = Tail(settings, settings.topic_alerts)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Reads until it is stopped."""
        while not self._stopping.is_set():
            for record in self._tail.poll():
                message, now_s = json.loads(record.value), time.monotonic()
                if "action_id" in message:
                    self.phases[message["action_id"]].append(now_s)
                elif message["phase"] == "start":
                    self.starts[message["patient_id"]] = record.timestamp / 1000
        self._tail.close()

    def stop(self) -> None:
        """Ends it."""
        self._stopping.set()
        self.join()


def main() -> int:
    """Measures and prints Markdown; 1 where a bound is not kept."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.board_answers", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--actions", type=int, default=1_000, help="answers that are sent")
    parser.add_argument("--patients", type=int, default=200, help="patients with an alert")
    parser.add_argument("--rate", type=float, default=2_000, help="events a second")
    options = parser.parse_args()
    patients = [f"p{i:03d}" for i in range(options.patients)]
    with tempfile.TemporaryDirectory() as name, LocalStack() as stack:
        folder = Path(name)
        variables = environment(stack, "bench-", board_auth="none", board_http_port=0)
        settings = settings_of(variables)
        ensure_topics(settings)
        board = Board(variables, folder)
        service = ServiceProcess(variables, folder / "service.log")
        feed, alerts = Feed(settings, patients, options.rate), Alerts(settings)
        with running([service]), contextlib.ExitStack() as ends:
            board.start()
            ends.callback(board.stop)
            alerts.start()
            ends.callback(alerts.stop)
            for bed, patient in enumerate(patients):
                feed.fall_ill(patient, bed)
            _wait(lambda: len(alerts.starts) == len(patients), "an alert of each patient")
            feed.start()
            ends.callback(feed.stop)
            _wait(lambda: len(_on_board(board.url)) == len(patients), "a card of each patient")
            sent, answered = _answer(board.url, patients, options.actions)
            _wait(lambda: len(alerts.phases) == len(sent), "a phase of each answer")
            delays = _browser_delays(board.url, feed, alerts)
        rate = feed.sent / options.rate
    print(
        f"{describe()}\n\n{options.patients} patients, {feed.sent:,} events ({rate:.0f} s of feed)"
    )
    return _report(sent, answered, alerts, delays)


def _report(
    sent: dict[str, float], answered: list[float], alerts: Alerts, delays: list[float]
) -> int:
    """Prints the figures; 1 where a bound is not kept."""
    to_phase = [alerts.phases[action_id][0] - at for action_id, at in sent.items()]
    more_than_one = sum(len(phases) != 1 for phases in alerts.phases.values())
    print("\n| | n | p50, s | p99, s | longest, s |\n|---|---|---|---|---|")
    for words, seconds in (
        ("POST to 202", answered), ("POST to the phase on the topic", to_phase),
        ("record of an alert to its card in a browser", delays),
    ):  # fmt: skip
        p50, p99 = np.percentile(seconds, [50, 99])
        print(f"| {words} | {len(seconds):,} | {p50:.3f} | {p99:.3f} | {max(seconds):.3f} |")
    print(f"\nAnswers without exactly one phase: {more_than_one}")
    p50, p99 = np.percentile(to_phase, [50, 99])
    kept = not more_than_one and p50 < _P50_S and p99 < _P99_S and max(delays) < _CARD_S
    return 0 if kept else 1


def _answer(url: str, patients: list[str], n: int) -> tuple[dict[str, float], list[float]]:
    """Sends answers at an even pace; their moments by id, and the seconds to each 202."""
    sent: dict[str, float] = {}
    answered: list[float] = []
    alert_of = {patient: card["alert"]["alert_id"] for patient, card in _on_board(url).items()}
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    headers = {"Content-Type": "application/json", "X-Vigil": "1", "Origin": url}
    began = time.monotonic()
    for number in range(n):
        time.sleep(max(0.0, began + number / _ACTIONS_A_SECOND - time.monotonic()))
        patient, turn = patients[number % len(patients)], number // len(patients)
        body = {
            "action": "unacknowledge" if turn % 2 else "acknowledge",
            "action_id": str(uuid.uuid4()), "patient_id": patient, "revision": 1,
            "alert_id": alert_of[patient],
        }  # fmt: skip
        sent[str(body["action_id"])] = at = time.monotonic()
        connection.request("POST", "/api/alerts/actions", json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 202:
            raise RuntimeError(f"{answer.status}: {content!r}")
        answered.append(time.monotonic() - at)
    connection.close()
    return sent, answered


def _browser_delays(url: str, feed: Feed, alerts: Alerts) -> list[float]:
    """Seconds from the record of an alert to its card, of patients who fall ill now."""
    names = [f"later{i}" for i in range(_LATER_PATIENTS)]
    with chromium() as browser:
        page = browser.new_context(reduced_motion="reduce").new_page()
        page.goto(url)
        page.wait_for_selector(".card.high, .card.medium")
        page.evaluate(_WATCH)
        for bed, name in enumerate(names):
            feed.fall_ill(name, 900 + bed)
            page.wait_for_function("name => window.seen[name]", arg=name, timeout=30_000)
        seen: dict[str, float] = page.evaluate("window.seen")
    _wait(lambda: all(name in alerts.starts for name in names), "the later alerts")
    return [seen[name] / 1000 - alerts.starts[name] for name in names]


def _on_board(url: str) -> dict[str, Any]:
    """The cards with an alert, by patient."""
    try:
        with urlopen(f"{url}/api/board", timeout=10) as answer:
            cards = json.load(answer)["cards"]
    except OSError:
        return {}
    return {card["patient"]: card for card in cards if card["alert"]}


def _wait(condition: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"no {what} in {_DEADLINE_S:.0f} s")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
