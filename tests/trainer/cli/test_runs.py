from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from trainer.loop import repeat as repeating
from trainer.loop.child_process import Limits
from trainer.loop.record import CandidateResult, GateResult, Records, RunRecord
from trainer.registry.registry import Registry


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    records = Records(tmp_path / "registry")
    record = records.new("schedule")
    record.state, record.ended, record.why = "ended", "asks", "a person promotes"
    gates = [GateResult(name="utility", verdict="pass", text="0.1 better")]
    record.candidates = [
        CandidateResult(
            kind="fitted", model="ab" * 32, gates=gates,
            utility=0.4, champion_utility=0.3, auroc=0.8, champion_auroc=0.7,
        )
    ]  # fmt: skip
    records.write(record)
    return record


def test_runs_are_listed_and_shown(trainer: Any, record: RunRecord) -> None:
    assert trainer("runs", "list").out == (
        f"{record.id}  asks       schedule: fitted; a person promotes\n"
    )
    assert json.loads(trainer("runs", "list", "--json").out) == [record.model_dump(mode="json")]
    shown = trainer("runs", "show", record.id[:15]).out
    assert f"run {record.id}: asks" in shown
    assert "pass         utility: 0.1 better" in shown
    assert "names no runs" in trainer("runs", "show", "none").err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_repeat_that_is_stopped_ends_its_child_and_exits_with_1(
    trainer: Any, record: RunRecord, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def repeat(
        earlier: RunRecord, _registry: Registry, _limits: Limits, stop: threading.Event
    ) -> RunRecord:
        assert earlier == record
        before = signal.getsignal(number)
        assert before is not signal.SIG_DFL, "it would end this process and leave the child"
        os.kill(os.getpid(), number)
        assert stop.wait(10)
        return record.model_copy(update={"ended": "stopped", "why": "the trainer was stopped"})

    monkeypatch.setattr(repeating, "repeat", repeat)
    result = trainer("runs", "repeat", record.id)
    assert (result.code, result.out) == (1, f"{record.id}: the trainer was stopped\n")
