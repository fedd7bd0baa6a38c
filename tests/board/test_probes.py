from __future__ import annotations

import json

from prometheus_client.parser import text_string_to_metric_families

from streamer.board.probes import CATALOGUE, routes
from streamer.ports.ward import Progress
from tests.support.board import NOW_MS, BoardTrial, alert, stay
from tests.support.paths import ROOT


def test_ready_once_the_ward_was_read_and_kafka_answers() -> None:
    trial = BoardTrial()
    answers = routes(trial.board, trial.context.hub)
    assert answers["/readyz"]().status == 503
    trial.board.replace(trial.board.fold)
    assert answers["/readyz"]().status == 200
    trial.board.watch.failed(NOW_MS)
    assert json.loads(answers["/readyz"]().body)["reasons"] == ["Kafka does not answer"]
    trial.board.watch.answered(Progress(), NOW_MS)
    assert answers["/readyz"]().status == 200


def test_alive_while_the_loop_moves() -> None:
    trial = BoardTrial()
    moved_s = trial.context.hub.moved_s
    assert routes(trial.board, trial.context.hub, lambda: moved_s + 29)["/healthz"]().status == 200
    assert routes(trial.board, trial.context.hub, lambda: moved_s + 30)["/healthz"]().status == 503


def test_the_metrics_are_those_of_the_list_and_the_page() -> None:
    trial = BoardTrial()
    trial.write(stay(), alert("start", severity="high"))
    text = routes(trial.board, trial.context.hub)["/metrics"]().body.decode()
    families = {f.name: f for f in text_string_to_metric_families(text)}
    assert {m.name for m in CATALOGUE} == {n for n in families if n.startswith("vigil_")}
    unanswered = {s.labels["severity"]: s.value for s in families["vigil_board_unanswered"].samples}
    assert unanswered == {"high": 1, "medium": 0}
    page = (ROOT / "docs/board.md").read_text()
    for metric in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        assert f"| `{metric.name}` | {metric.unit} | {labels} | {metric.sentence} |" in page
