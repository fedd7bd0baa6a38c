from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.core import features
from streamer.core.alerts import AlertPolicy, Phase
from streamer.core.variables import INDEX, VARIABLES
from streamer.feeds.replay import replay
from tests.support.event_stream import ORIGIN_MS, HeartRateModel, Stream
from tests.support.explained_stay import one_stay
from tests.support.small_models import random_model
from trainer.data.dataset import build_features
from trainer.errors import InputError
from trainer.explain.explanation import explain, is_high
from trainer.explain.measurement_arg import parse


@pytest.mark.parametrize("layers", [1, 2])
def test_encoder_and_lstm_add_up_to_the_models_logit(tmp_path: Path, layers: int) -> None:
    model, cohort = random_model(1, layers=layers), one_stay(tmp_path)
    explanation = explain(model, cohort)
    logits = model.logits(build_features(cohort)[:, None])[:, 0]
    np.testing.assert_allclose(
        explanation.encoder_logit + explanation.lstm_logit, logits[:, 0], rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(explanation.risks, model.risks(logits), rtol=0, atol=1e-5)


def test_alerts_and_contributions_are_those_of_the_streamer(tmp_path: Path) -> None:
    cohort = one_stay(tmp_path)
    vitals = [m.value for m in replay(cohort, ORIGIN_MS) if m.topic == "vitals"]
    n_reasons = 0
    for seed in range(6):
        model = random_model(seed)
        risk = explain(model, cohort).risks[:, 0]
        model.policy = AlertPolicy(*np.quantile(risk, [0.4, 0.8, 0.3]).tolist())
        explanation = explain(model, cohort)
        stream = Stream(model)
        stream.take(*vitals[:-1])  # without the discharge, which ends an alert, too
        alerts = [m.content for m in stream.messages if m.kind == "alert"]
        alerts = [a for a in alerts if a["phase"] in ("start", "escalate", "end")]
        rows = np.flatnonzero(explanation.phases)
        assert [Phase(explanation.phases[row]).name.lower() for row in rows] == [
            a["phase"] for a in alerts
        ]
        for row, alert in zip(rows.tolist(), alerts, strict=True):
            for reason in alert.get("reasons", []):
                n_reasons += 1
                variable = INDEX[reason["variable"]]
                ours = explanation.contributions[row, variable]
                assert reason["contribution"] == pytest.approx(ours, abs=6e-4)  # three decimals
    assert n_reasons >= 6


def test_followed_measurements_can_be_named(tmp_path: Path) -> None:
    model, cohort = random_model(0), one_stay(tmp_path)
    named = explain(model, cohort, [parse("lactate@17"), parse("temperature@10")]).influences
    rows = [(i.measurement.variable, i.measurement.row) for i in named]
    assert rows == [(INDEX["lactate"], 16), (INDEX["temperature"], 9)]
    for text, message in (
        ("lactat", "there are heart_rate"),
        ("ph", "was not measured"),
        ("lactate@7", "its hours: \\[6, 17\\]"),
        ("lactate@soon", "is not an hour"),
        ("lactate@", "is not an hour"),
    ):
        with pytest.raises(InputError, match=message):
            explain(model, cohort, [parse(text)])


def test_without_names_the_strongest_at_the_peak_are_followed(tmp_path: Path) -> None:
    n_followed = 0
    for seed in range(5):
        explanation = explain(random_model(seed), one_stay(tmp_path))
        added = [
            explanation.contributions[explanation.peak, i.measurement.variable]
            for i in explanation.influences
        ]
        assert added == sorted(added, reverse=True)
        n_followed += len(added)
        kinds = [VARIABLES[i.measurement.variable].is_vital for i in explanation.influences]
        assert max(kinds.count(True), kinds.count(False), 0) <= 2
    assert n_followed >= 5


def test_high_and_low_are_against_the_mean_of_training() -> None:
    seen = np.full((1, features.N_FEATURES), np.nan, np.float32)
    for name, value in (("heart_rate", 91), ("map", 89), ("sbp", 90)):
        seen[0, features.NAMES.index(f"value:{name}")] = value
    high = is_high(HeartRateModel(), seen)[0]
    assert np.flatnonzero(high).tolist() == [INDEX["heart_rate"]]
