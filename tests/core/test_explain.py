from __future__ import annotations

import numpy as np
import pytest

from streamer.core import explain, features
from streamer.core.variables import INDEX, N_VARIABLES
from tests.support.event_stream import HeartRateModel, Stream, admission, observation
from tests.support.small_models import random_model

HEART = HeartRateModel()


def test_a_contribution_is_the_logit_that_is_lost_without_the_variable() -> None:
    model = random_model(3)
    rng = np.random.default_rng(0)
    seen = rng.uniform(0, 60, (4, features.N_FEATURES)).astype(np.float32)
    h, c = rng.normal(size=(2, 4, 1, 8)).astype(np.float32)
    known = rng.random((4, N_VARIABLES)) < 0.7
    added = explain.contributions(model, seen, h, c, known)
    before = model.step(seen, h, c)[0][:, 0]
    for variable in range(N_VARIABLES):
        without = seen.copy()
        without[:, variable == features.OWNER] = np.nan
        lost = before - model.step(without, h, c)[0][:, 0]
        assert (np.where(known[:, variable], lost, 0) == added[:, variable]).all()
    assert ((added != 0) == known).all()


def test_high_and_low_are_against_the_mean_of_training() -> None:
    seen = np.full((1, features.N_FEATURES), np.nan, np.float32)
    for name, value in (("heart_rate", 91), ("map", 89), ("sbp", 90)):
        seen[0, features.NAMES.index(f"value:{name}")] = value
    high = explain.is_high(HEART, seen)[0]
    assert np.flatnonzero(high).tolist() == [INDEX["heart_rate"]]


def test_reasons_are_those_that_push_the_risk_up() -> None:
    stream = Stream(HEART)
    _, alert = stream.take(observation(0, heart_rate=120, lactate=4))
    (reason,) = alert["reasons"]
    assert reason == {
        "variable": "heart_rate", "value": 120.0, "unit": "/min", "age_minutes": 0,
        "direction": "high", "contribution": 3.0,  # logit 2 instead of -1
    }  # fmt: skip


def test_reasons_come_strongest_first_and_never_name_what_was_not_measured() -> None:
    measured = ("heart_rate", "map", "sbp", "dbp", "spo2", "resp_rate", "lactate", "potassium")
    added = []
    for seed in range(12):  # random models: some of them raise alerts
        stream = Stream(random_model(seed))
        for hour in range(12):
            values = dict.fromkeys(measured, 50.0 + 5 * hour if hour % 2 else 100.0)
            stream.take(observation(hour, **{**values, "lactate": 2 + hour, "potassium": 4}))
        added += [m.content["reasons"] for m in stream.messages if m.content.get("reasons")]
    assert max(map(len, added)) == explain.MOST_REASONS
    for reasons in added:
        added = [reason["contribution"] for reason in reasons]
        assert added == sorted(added, reverse=True)
        assert added[-1] >= explain.LEAST_CONTRIBUTION
        assert {reason["variable"] for reason in reasons} <= set(measured)


@pytest.mark.parametrize("minutes", [0, 25, 90])
def test_the_age_of_a_reason(minutes: int) -> None:
    stream = Stream(HEART, interval_s=3600)
    stream.take(admission(), observation(0, map=70), observation(0.5, heart_rate=120))
    # Evaluated at the next interval: the heart rate was measured at half past.
    (alert,) = [m for m in stream.take(observation(1 + minutes / 60)) if "phase" in m]
    assert alert["reasons"][0]["age_minutes"] == 30 + minutes
