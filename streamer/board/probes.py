"""The board's own port: liveness, readiness, and its metrics in one typed list."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from streamer.board.board import Audience, Board
from streamer.board.hub import Hub
from streamer.service.http import Answer, Routes, as_json, as_metrics
from streamer.service.metrics import Kind, Metric

_STUCK_S: Final = 30.0  # the hub moves every five seconds; only a loop that hangs is this late

CATALOGUE: Final = [
    Metric("vigil_board_streams", Kind.GAUGE, "streams", (), "Browsers that follow the board."),
    Metric("vigil_board_beds", Kind.GAUGE, "patients", (), "Patients on the board."),
    Metric(
        "vigil_board_unanswered",
        Kind.GAUGE,
        "alerts",
        ("severity",),
        "Alerts on the board that nobody has answered.",
    ),
    Metric(
        "vigil_board_overdue",
        Kind.GAUGE,
        "alerts",
        (),
        "Those that have waited longer than allowed.",
    ),
    Metric(
        "vigil_board_unconfirmed",
        Kind.GAUGE,
        "actions",
        (),
        "Actions written by this board whose phase has not come.",
    ),
    Metric("vigil_board_kafka_away", Kind.GAUGE, "0 or 1", (), "Whether Kafka does not answer."),
    Metric(
        "vigil_board_scoring_stopped",
        Kind.GAUGE,
        "0 or 1",
        (),
        "Whether the service stands still with records ahead.",
    ),
    Metric(
        "vigil_board_feed_silent",
        Kind.GAUGE,
        "0 or 1",
        (),
        "Whether no record came for five minutes.",
    ),
]


class BoardCollector(Collector):
    """Reads the metrics when they are scraped."""

    def __init__(self, board: Board, hub: Hub) -> None:
        self._board, self._hub = board, hub

    def collect(self) -> Iterable[Family]:
        """Yields one family for each line of the list."""
        watch, counts = self._board.watch, self._board.system(Audience())["counts"]
        values: dict[str, dict[tuple[str, ...], float]] = {
            "vigil_board_streams": {(): len(self._hub)},
            "vigil_board_beds": {(): counts["beds"]},
            "vigil_board_unanswered": {
                ("high",): counts["high"],
                ("medium",): counts["medium"],
            },
            "vigil_board_overdue": {(): counts["overdue"]},
            "vigil_board_unconfirmed": {(): len(self._board.posted.rows())},
            "vigil_board_kafka_away": {(): watch.kafka_since_ms is not None},
            "vigil_board_scoring_stopped": {(): watch.scoring_since_ms is not None},
            "vigil_board_feed_silent": {(): watch.feed_since_ms is not None},
        }
        for metric in CATALOGUE:
            family = Family(metric.name, metric.sentence, metric.kind)
            for labels, value in values[metric.name].items():
                named = dict(zip(metric.labels, labels, strict=True))
                family.add_sample(metric.name, named, float(value))
            yield family


def routes(board: Board, hub: Hub, monotonic_s: Callable[[], float] = time.monotonic) -> Routes:
    """Returns what the port answers.

    Args:
        board: the ward in memory.
        hub: the open streams.
        monotonic_s: the clock of liveness, seconds.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(BoardCollector(board, hub))

    def healthz() -> Answer:
        age_s = monotonic_s() - hub.moved_s
        content = {"alive": age_s < _STUCK_S, "loop_age_seconds": round(age_s, 3)}
        return as_json(content, is_good=age_s < _STUCK_S)

    def readyz() -> Answer:
        reasons = []
        if not board.is_loaded:
            reasons.append("the ward was not read yet")
        if board.watch.kafka_since_ms is not None:
            reasons.append("Kafka does not answer")
        return as_json({"ready": not reasons, "reasons": reasons}, is_good=not reasons)

    return {"/metrics": lambda: as_metrics(registry), "/healthz": healthz, "/readyz": readyz}
