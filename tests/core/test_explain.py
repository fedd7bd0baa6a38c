from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core import explain, features
from streamer.core.model import Floats
from streamer.core.state_stepping import Evaluation
from streamer.core.variables import N_VARIABLES, VARIABLES
from tests.support.event_stream import Event, HeartRateModel, Stream, admission, observation
from tests.support.small_models import random_model

HEART = HeartRateModel()


def test_a_contribution_is_the_logit_that_is_lost_without_the_variable() -> None:
    model = random_model(3)
    rng = np.random.default_rng(0)
    seen = rng.uniform(0, 60, (4, features.N_FEATURES)).astype(np.float32)
    h, c = rng.normal(size=(2, 4, 1, 8)).astype(np.float32)
    known = rng.random((4, N_VARIABLES)) < 0.7
    logits = model.step(seen, h, c)[0]
    evaluation = Evaluation(seen, h, c, logits, model.risks(logits))
    added = explain.contributions(model, evaluation, np.arange(4), known)
    some = explain.contributions(model, evaluation, np.array([3, 1]), known[[3, 1]])
    assert (some == added[[3, 1]]).all()
    before, owner = logits[:, 0], features.features_of(model.variables).owner
    for variable in range(N_VARIABLES):
        without = seen.copy()
        without[:, variable == owner] = np.nan
        lost = before - model.step(without, h, c)[0][:, 0]
        assert (np.where(known[:, variable], lost, 0) == added[:, variable]).all()
    assert ((added != 0) == known).all()


def test_a_share_is_what_is_lost_without_the_times_of_measurements() -> None:
    model = random_model(4)
    rng = np.random.default_rng(1)
    seen = rng.uniform(0, 60, (4, features.N_FEATURES)).astype(np.float32)
    h, c = rng.normal(size=(2, 4, 1, 8)).astype(np.float32)
    logits = model.step(seen, h, c)[0]
    evaluation = Evaluation(seen, h, c, logits, model.risks(logits))
    rows, variables, added = np.array([0, 0, 3]), np.array([2, 7, 2]), np.array([0.5, 2.0, 0.25])
    shares = explain.timing_shares(model, evaluation, rows, variables, added)
    for row, variable, contribution, share in zip(rows, variables, added, shares, strict=True):
        without = seen[row : row + 1].copy()
        for name in ("measured", "log_hours_since", "log_count"):
            without[:, features.NAMES.index(f"{name}:{VARIABLES[variable].name}")] = np.nan
        lost = logits[row, 0] - model.step(without, h[[row]], c[[row]])[0][0, 0]
        assert share == lost / contribution != 0


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


def directions(*events: Event) -> list[tuple[str, str]]:
    """The variable and the word of each reason of the alert that the last event causes."""
    (alert,) = [m for m in Stream(HEART).take(*events) if m.get("phase") == "start"]
    return [(reason["variable"], reason["direction"]) for reason in alert["reasons"]]


def test_a_reason_is_judged_by_what_the_newest_value_is_and_not_by_the_hour_it_is_in() -> None:
    assert directions(
        observation(0, heart_rate=70),
        observation(1, heart_rate=71),
        observation(2.5, heart_rate=120),
    ) == [("heart_rate", "high")]


class WatchingModel(HeartRateModel):
    """Its logit rises with each measurement of lactate, whatever the value, and with a low mean."""

    def step(
        self, features_: Floats, h: Floats, c: Floats
    ) -> tuple[NDArray[np.float64], Floats, Floats]:
        def column(name: str) -> NDArray[np.float64]:
            values = features_[:, features.NAMES.index(name)].astype(np.float64)
            return np.nan_to_num(values, nan=0.0)

        logit = 2 * column("log_count:lactate") + (column("value:heart_rate") - 60) / 10 - 3
        return np.repeat(logit[:, None], 3, axis=1), h, c


@pytest.mark.parametrize(
    ("rate", "earlier", "word"), [(84, 83, "normal"), (84, 64, "rising"), (64, 84, "falling")]
)
def test_within_the_range_the_own_course_counts_and_a_measurement_may_be_the_reason(
    rate: float, earlier: float, word: str
) -> None:
    stream = Stream(WatchingModel())
    events = [observation(hour, heart_rate=earlier) for hour in range(3)]
    events += [observation(3 + hour, heart_rate=rate, lactate=1.0) for hour in range(1)]
    events += [observation(3.2, lactate=1.0)] + [
        observation(4 + hour, lactate=1.0) for hour in range(4)
    ]
    alerts = [m for m in stream.take(*events) if m.get("phase") == "start"]
    reasons = {r["variable"]: r["direction"] for r in alerts[0]["reasons"]}
    assert reasons["lactate"] == "timing"
    assert reasons.get("heart_rate", word) == word
    assert set(reasons) == {"heart_rate", "lactate"}


@pytest.mark.parametrize("minutes", [0, 25, 90])
def test_the_age_of_a_reason(minutes: int) -> None:
    stream = Stream(HEART, interval_s=3600)
    stream.take(admission(), observation(0, map=70), observation(0.5, heart_rate=120))
    # Evaluated at the next interval: the heart rate was measured at half past.
    (alert,) = [m for m in stream.take(observation(1 + minutes / 60)) if "phase" in m]
    assert alert["reasons"][0]["age_minutes"] == 30 + minutes
