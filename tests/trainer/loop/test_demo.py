"""Acts of `trainer demo` on a real Kafka, without the fits: `test_whole_loop` has those."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from bench.services import ServiceProcess, environment, running
from streamer.adapters.kafka.topics import TopicSpec
from streamer.core.time import rfc3339
from streamer.feeds.message import Message
from streamer.local import LocalStack
from streamer.service.settings import Settings
from trainer.archive.cohort import read_archive
from trainer.archive.schemas import EVENTS
from trainer.archive.source import ArchiveSource
from trainer.data.split import side_of
from trainer.loop import demo as loop_demo
from trainer.loop.demo import Acts, Stage, candidate_lines
from trainer.loop.record import CandidateResult, GateResult


def test_a_candidate_is_shown_with_open_gates_in_one_line_and_each_closed_one() -> None:
    gates = [
        GateResult(name="utility", verdict="pass", text="not worse"),
        GateResult(name="labels", verdict="pass", text="all there"),
        GateResult(name="AUROC", verdict="insufficient", text="23 septic stays"),
    ]
    made = CandidateResult(
        kind="fitted", model="a" * 64, utility=0.5, champion_utility=0.4, gates=gates, seconds=8.6
    )
    first, *rest = candidate_lines(made)
    assert "fitted, model aaaaaaaaaaaa, made in 9 s: utility 0.50" in first
    assert [line.strip() for line in rest] == [
        "gates that pass: utility, labels",
        "insufficient: AUROC: 23 septic stays",
    ]
    assert candidate_lines(CandidateResult(kind="fitted", why="too few")) == ["  fitted: too few"]


def test_no_topic_of_the_demo_lets_past_stays_go(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[TopicSpec] = []
    monkeypatch.setattr(loop_demo, "ensure_topics", lambda _settings, topics: made.extend(topics))
    loop_demo._ensure_topics_without_end(Settings())
    assert {spec.name for spec in made} >= {"vitals", "outcomes", "alerts", "risk"}
    assert {spec.configs["retention.ms"] for spec in made} == {"-1"}


@pytest.mark.integration
def test_past_stays_are_archived_folded_and_sabotaged_outside_the_test_side(
    stack: LocalStack, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = environment(stack, topic_prefix, partitions=2) | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TRAINER_ARCHIVE": str(tmp_path / "archive"),
        "TRAINER_ARCHIVE_IDS": "plain",
        "TRAINER_ARCHIVE_FLUSH_S": "0.5",
        "TRAINER_GROUP": f"{topic_prefix}archive",
        "TRAINER_HTTP_PORT": "0",
        "TRAINER_ALLOW_UNSIGNED_MODELS": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    lines: list[str] = []
    acts = Acts(Stage(tmp_path, 60, 7, 'mode = "ask"\n', (), lines.append, threading.Event()))
    # The champion of this Redis is other tests' business.
    monkeypatch.setattr(acts._retraining, "begin", lambda: None)
    command = (sys.executable, "-m", "trainer", "archive", "run")
    with running([ServiceProcess(variables, tmp_path / "archive.log", command=command)]):
        acts.past()
        later = rfc3339(int(time.time() * 1000))  # by the log's own time the stays are mature
        clock: dict[str, object] = {"patient_id": "clock", "time": later, "values": {}}
        n_events = acts._rows(EVENTS)
        acts._send([Message(int(time.time() * 1000), "vitals", "clock", clock)])
        acts._until_archived(EVENTS, n_events + 1)
        acts.fold()
        before = read_archive(ArchiveSource(tmp_path / "archive")).cohort
        n = acts._sabotage()
    after = read_archive(ArchiveSource(tmp_path / "archive")).cohort
    assert acts.went_well, lines
    assert any(", 0 missing" in line for line in lines)
    assert before.patient_ids == after.patient_ids
    assert 0 < n < len(before)
    changed = [
        patient
        for patient, was, now in zip(before.patient_ids, before.septic, after.septic, strict=True)
        if was != now
    ]
    assert changed
    assert not [patient for patient in changed if side_of(patient) == "test"]
    assert before.septic.sum() == pytest.approx(after.septic.sum(), abs=2)
