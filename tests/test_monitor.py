from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.core.events import EventRejected
from streamer.core.reasons import Reason, ValueProblem
from streamer.monitor import Monitor
from tests.support.event_stream import Stream, admission, bins, discharge, observation
from tests.support.small_models import balanced, random_bundle, random_model

NOW_MS = 1_795_255_200_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("bundle")
    random_bundle(3).save(where)
    return where


EVENTS = [
    admission(age=60),
    *(observation(h / 3, heart_rate=60 + h, map=90 - h / 2) for h in range(60)),
    observation(2.5, lactate=4.0),
    discharge(21),
]


@pytest.mark.parametrize("interval_s", [0, 60, 3600])
def test_messages_equal_those_of_the_scorer(folder: Path, interval_s: float) -> None:
    monitor = Monitor(folder, interval_s)
    stream = Stream(balanced(random_model(3)), interval_s)
    messages = [message for event in EVENTS for message in monitor.update(event)]
    model_id = messages[0]["model"]
    expected = [{**m, "model": model_id} for m in stream.take(*EVENTS)]
    assert messages == expected
    assert messages


def test_update_many_equals_updates_one_by_one(folder: Path) -> None:
    single, many = Monitor(folder, 60), Monitor(str(folder), 60)
    messages = [message for event in EVENTS for message in single.update(event)]
    assert many.update_many(iter(EVENTS)) == (messages, [])
    assert many.update_many([]) == ([], [])


REFUSED: dict[str, tuple[dict[str, object], Reason]] = {
    "nothing": ({}, Reason.NO_PATIENT),
    "no time": ({"patient_id": "p", "values": {}}, Reason.NO_TIME),
    "patient a number": ({"patient_id": 5, "time": NOW_MS, "values": {}}, Reason.WRONG_TYPE),
    "patient None": ({"patient_id": None, "time": NOW_MS, "values": {}}, Reason.NO_PATIENT),
    "lone surrogate": ({"patient_id": "\ud800", "time": NOW_MS, "values": {}}, Reason.INVALID_UTF8),
    "no values": ({"patient_id": "p", "time": NOW_MS}, Reason.WRONG_TYPE),
    "too large": ({"patient_id": "p", "time": NOW_MS, "ward": "x" * 70_000}, Reason.TOO_LARGE),
    "discharge of nobody": (dict(discharge(0, "nobody")), Reason.NO_STAY),
}  # fmt: skip


@pytest.mark.parametrize(("event", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_rejected_event_raises_and_changes_nothing(
    folder: Path, event: dict[str, object], reason: Reason
) -> None:
    monitor = Monitor(folder, 0)
    with pytest.raises(EventRejected) as refused:
        monitor.update(event)
    assert refused.value.reason is reason
    messages, rejections = monitor.update_many([observation(0, ph=7.3), event, observation(1)])
    assert bins(messages) == [0, 1]
    assert [(r.record, r.reason) for r in rejections] == [(1, reason)]
    assert [m["offset"] for m in messages if "bin" in m] == [1, 3]


def test_bad_values_are_counted(folder: Path) -> None:
    monitor = Monitor(folder)
    monitor.update(observation(0, heart_rate=math.nan, mood=3, ph=99, map=70))
    monitor.update(observation(1, mood=3))
    assert monitor.problems == {
        ValueProblem.NOT_FINITE: 1, ValueProblem.UNKNOWN_VARIABLE: 2, ValueProblem.OUT_OF_LIMITS: 1,
    }  # fmt: skip


def no_json(make: Callable[[], object]) -> dict[str, object]:
    return {"patient_id": "p", "time": NOW_MS, "values": {"ph": make()}}


def test_values_that_json_cannot_express_raise(folder: Path) -> None:
    with pytest.raises(TypeError):
        Monitor(folder).update(no_json(object))
