from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.services import environment, settings_of
from streamer.adapters.memory.models import MemoryModels
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.states import RedisStates
from streamer.cli import app, patient_view
from streamer.core.codec import CorruptState, Era, encode
from streamer.core.columns import decode
from streamer.core.model import IN_THIS_STAY
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.local import LocalStack
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StateWrite
from streamer.service import bootstrap
from streamer.service.models import ModelLibrary
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics
from tests.support.event_stream import admission, observation, record

LIBRARY = ModelLibrary(MemoryModels())
MODEL = LIBRARY.in_force()


def stay_table() -> StayTable:
    """A table with one stay: admitted, and measured twice."""
    scorer = Scorer(MODEL, StayTable(MODEL.architecture), 0)
    events = [admission(age=60, ward="A", bed="7"), observation(1, heart_rate=88, map=70),
              observation(1.5, heart_rate=91)]  # fmt: skip
    columns = decode([record(event) for event in events], None)
    scorer.score(columns, [0] * len(events))
    return scorer.table


@pytest.fixture
def settings(stack: LocalStack, topic_prefix: str) -> Settings:
    """Topics, and a store that has the stay of patient `p` on partition 0."""
    settings = settings_of(environment(stack, topic_prefix, partitions=1))
    ensure_topics(settings)
    table = stay_table()
    (stay,) = encode(table, np.array([table.slot_of["p"]]), Era(MODEL.model_id))
    redis = connect(settings.redis())
    with contextlib.closing(
        RedisStates(redis, f"vigil:{settings.group}", settings.topic_vitals)
    ) as states:
        epoch = states.take(0).epoch
        states.save([StateWrite(0, epoch, None, 3, MODEL.model_id, 0, "topic-a", {"p": stay})])
    return settings


def test_a_stored_stay_is_described_and_rendered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "model_library", lambda _settings: LIBRARY)
    view = patient_view.describe(settings, "p")
    assert view is not None
    assert (view["ward"], view["bed"], view["bin"]) == ("A", "7", 1)
    assert view["admission"] == "2026-01-01T00:00:00Z"
    assert view["newest_event"] == "2026-01-01T01:30:00Z"
    values = {value["variable"]: value for value in view["values"]}
    assert (values["heart_rate"]["value"], values["heart_rate"]["age_minutes"]) == (91, 0)
    assert (values["map"]["value"], values["map"]["age_minutes"]) == (70, 30)
    assert (view["model"], view["partition"], view["offset"]) == (MODEL.shown_id, 0, None)
    assert json.loads(json.dumps(view)) == view
    lines = list(patient_view.lines(view))
    assert "ward           A" in lines
    assert any(line.split()[:2] == ["heart_rate", "91"] for line in lines)
    assert view["risk"] is not None
    first, *_ = view["risk"].values()
    view["outcome"] = f"death{IN_THIS_STAY}"
    assert f"risk           death in this stay: {first:.1%}" in patient_view.lines(view)


def test_a_stay_of_an_unknown_model_is_named_with_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LIBRARY, "get", lambda _model_id: None)
    monkeypatch.setattr(bootstrap, "model_library", lambda _settings: LIBRARY)
    view = patient_view.describe(settings, "p")
    assert view == {"patient_id": "p", "partition": 0, "model": MODEL.shown_id}


@pytest.mark.usefixtures("settings")
def test_a_damaged_stay_is_an_error_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(_settings: Settings, patient: str) -> None:
        raise CorruptState(patient, "checksum differs")

    monkeypatch.setattr(patient_view, "describe", damaged)
    result = CliRunner().invoke(app, ["patient", "p"])
    assert (result.exit_code, "checksum differs" in result.output) == (1, True)


def test_the_command_fails_where_nothing_is_known(stack: LocalStack, topic_prefix: str) -> None:
    variables = environment(stack, topic_prefix, partitions=1)
    ensure_topics(settings_of(variables))
    result = CliRunner().invoke(app, ["patient", "nobody"], env=variables)
    assert result.exit_code == 1
    assert "Nothing is known of patient 'nobody'." in result.output


def test_a_topic_that_is_not_shown_is_not_a_patient_that_nobody_knows(
    stack: LocalStack, topic_prefix: str
) -> None:
    settings = settings_of(environment(stack, topic_prefix, partitions=1))
    with pytest.raises(LogUnavailable, match=f"{settings.topic_vitals} is missing"):
        patient_view.describe(settings, "p")
