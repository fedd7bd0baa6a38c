"""The bound of a batch holds in steps that are really taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from streamer.core import state_stepping
from streamer.core.columns import decode
from streamer.core.hour_step import step_hour
from streamer.core.matrix_blocks import Floats
from streamer.core.model import Model
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import Slots, StayTable
from streamer.core.workload import Workload
from tests.support.small_models import random_model

HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000
MODEL = random_model(3)


def log(*events: tuple[str, float]) -> list[Record]:
    """Records of patients at hours."""
    return [
        Record(0, i, START_MS, patient.encode(), json.dumps({
            "patient_id": patient, "time": START_MS + round(hour * HOUR_MS),
            "values": {"heart_rate": 80},
        }).encode())
        for i, (patient, hour) in enumerate(events)
    ]  # fmt: skip


def within(scorer: Scorer, records: Sequence[Record], most_rows: int) -> int:
    columns = decode(records, None)
    return Workload(scorer.table, columns).first_within(np.arange(len(records)), most_rows)


def scorer() -> Scorer:
    return Scorer(MODEL, StayTable(MODEL.architecture), 60_000)


def test_an_ordinary_batch_is_taken_whole() -> None:
    events = [(f"p{i}", hour / 60) for hour in range(40) for i in range(100)]
    assert within(scorer(), log(*events), 60_000) == 4_000


def test_a_long_silence_counts_by_its_hours_and_one_event_always_fits() -> None:
    events = [("p", 335.0 * i) for i in range(900)]
    n = within(scorer(), log(*events), 60_000)
    assert 2 <= n <= 60_000 // (40 * 335 // 16 + 335) + 1
    assert within(scorer(), log(*events[:1]), 1) == 1
    later = scorer()
    later.score(decode(log(("p", 0)), None), [0])
    assert within(later, log(("p", 300), ("p", 300.1)), 1_000) == 1


def test_nothing_is_no_work() -> None:
    assert within(scorer(), [], 1) == 0


@pytest.mark.parametrize("seed", range(5))
def test_no_batch_takes_more_steps_than_were_counted(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = np.random.default_rng(seed)
    hours = np.cumsum(draws.exponential(30, 60)) - draws.exponential(20, 60)
    events = [(f"p{draws.integers(4)}", float(hour)) for hour in np.maximum(hours, 0)]
    rows = most = 0

    def counting(table: StayTable, model: Model, slots: Slots, *rest: Any) -> None:
        nonlocal rows
        rows += len(slots) + 40
        step_hour(table, model, slots, *rest)

    def counting_again(model: Model, seen: Floats, h: Floats, c: Floats, sizes: list[int]) -> None:
        nonlocal rows
        rows += len(seen) + 40 * len(sizes) // 16  # hours of one call cost less than calls
        advance(model, seen, h, c, sizes)

    advance = Model.advance
    monkeypatch.setattr(state_stepping, "step_hour", counting)
    monkeypatch.setattr(Model, "advance", counting_again)
    fresh = scorer()
    for most_rows in (5_000, 50_000):
        n = within(fresh, log(*events), most_rows)
        if n == 1:
            continue
        rows = 0
        one = scorer()
        one.score(decode(log(*events[:n]), None), [0] * n)
        # the anchor follows each hour that leaves the ring: twice, at most
        assert rows <= 2 * most_rows
        most = max(most, rows)
    assert most > 0
