"""The forecast of vital signs: what it promises by construction, and on the risk message."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.bundles import bundle as bundles
from streamer.bundles.build import make
from streamer.bundles.bundle import BundleError
from streamer.core import features
from streamer.core.alert_messages import Content
from streamer.core.forecast import FORECAST_VITALS, HOURS, LAST, VARIABLES
from streamer.core.model import Model
from streamer.core.variables import HIGH, INDEX, LOW
from streamer.monitor import Monitor
from tests.support.event_stream import Event, Stream, admission, discharge, observation
from tests.support.small_models import forecasting_model, random_bundle

MODEL = forecasting_model(seed=3)


def hours(n: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features and outputs of hours that are anything, one in three values unknown."""
    draws = np.random.default_rng(seed)
    seen = draws.uniform(-50, 300, (n, features.N_FEATURES)).astype(np.float32)
    seen[:, LAST] = draws.uniform(LOW[VARIABLES], HIGH[VARIABLES], (n, len(FORECAST_VITALS)))
    seen[draws.random(seen.shape) < 0.3] = np.nan
    return seen, draws.uniform(-1, 1, (n, MODEL.architecture.hidden)).astype(np.float32)


def test_quantiles_never_cross_and_stay_within_the_limits() -> None:
    seen, out = hours(400)
    values = MODEL.forecast(seen, out)
    assert values.shape == (400, len(FORECAST_VITALS), len(HOURS), 3)
    known = ~np.isnan(seen[:, LAST])
    assert (np.isnan(values).all(axis=(2, 3)) == ~known).all()
    assert (np.diff(values[known], axis=-1) >= 0).all()
    limits = (LOW, HIGH)
    low, high = (np.broadcast_to(f[VARIABLES, None, None], values.shape) for f in limits)
    assert (values[known] >= low[known].astype(np.float32)).all()
    assert (values[known] <= high[known].astype(np.float32)).all()


def test_a_forecast_is_the_same_bits_whoever_else_is_in_the_batch() -> None:
    seen, out = hours(50)
    together = MODEL.forecast(seen, out)
    for n in (1, 2, 3, 7):
        assert MODEL.forecast(seen[:n], out[:n]).tobytes() == together[:n].tobytes()


def test_a_vital_sign_that_no_training_patient_had_is_never_foretold() -> None:
    model = forecasting_model()
    assert model.forecaster is not None
    model.forecaster.scale[INDEX_OF["spo2"]] = np.nan
    values = model.forecast(*hours(20))
    assert np.isnan(values[:, INDEX_OF["spo2"]]).all()
    assert not np.isnan(values[:, INDEX_OF["map"]]).all()


INDEX_OF = {name: index for index, name in enumerate(FORECAST_VITALS)}

COURSE: list[Event] = [
    admission(age=60),
    observation(0.2, heart_rate=88, map=75),
    observation(0.7, heart_rate=93, spo2=97),
    observation(3.5, temperature=38.4, map=66),
    observation(1.5, lactate=4.0),  # late: closed hours are stepped again
    observation(5.1, heart_rate=111, resp_rate=24),
    observation(5.2, heart_rate=111.4),
    discharge(21),
]


class Foretelling(Stream):
    """A scorer that is asked for forecasts."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.scorer = type(self.scorer)(model, self.table, 0, forecast=True)


def forecasts_of(messages: list[Content]) -> list[Content]:
    return [message["forecast"] for message in messages if "bin" in message]


def test_the_message_has_every_vital_sign_and_null_where_none_was_measured() -> None:
    first, *_, last = forecasts_of(Foretelling(MODEL).take(*COURSE))
    assert list(first) == ["hours", *FORECAST_VITALS]
    assert first["hours"] == list(HOURS)
    assert [name for name in FORECAST_VITALS if first[name] is None] == [
        "resp_rate",
        "spo2",
        "temperature",
    ]
    for name in FORECAST_VITALS:
        assert list(last[name]) == ["median", "low", "high"]
        low, median, high = (last[name][level] for level in ("low", "median", "high"))
        assert len(median) == len(HOURS)
        assert all(a <= b <= c for a, b, c in zip(low, median, high, strict=True))
        digits = 2 if name == "temperature" else 1
        assert all(round(value, digits) == value for value in (*low, *median, *high))


def test_a_message_foretells_from_the_hour_as_it_stands() -> None:
    """The forecast after each event is that of the hour row, the memory and the state by then."""
    stream = Foretelling(MODEL)
    for event in COURSE[:-1]:
        messages = stream.take(event)
        if "values" not in event:
            continue
        slot, size = stream.slot(), MODEL.architecture
        rows = stream.table["ring_value"][slot]
        memory, out = features.empty_memory(1), np.zeros((1, size.hidden), np.float32)
        h = c = np.zeros((1, size.layers, size.hidden), np.float32)
        for bin_ in range(int(stream.field("open_bin")) + 1):
            static, bins = stream.table["static"][slot], np.array([bin_], np.int32)
            seen, memory = features.step(rows[:, bin_], bins, static, memory)
            _, h, c = MODEL.step(seen, h, c)
            out = h[:, -1]
        expected = MODEL.forecast(seen, out)[0]
        for name, values in forecasts_of(messages)[0].items():
            if name != "hours" and values is not None:
                levels = np.array([values[level] for level in ("low", "median", "high")])
                digits = 2 if name == "temperature" else 1
                off = np.abs(levels.T - expected[INDEX_OF[name]])
                assert off.max() <= 0.5 * 10**-digits + 1e-5, name


def test_risks_and_states_are_the_same_bits_with_and_without() -> None:
    with_it, without = Foretelling(MODEL), Stream(MODEL)
    messages = with_it.take(*COURSE)
    for message in messages:
        message.pop("forecast", None)
    assert messages == without.take(*COURSE)
    for name in with_it.table.fields:
        assert with_it.field(name).tobytes() == without.field(name).tobytes(), name


def test_no_forecast_where_none_is_asked_for_or_the_model_has_no_head() -> None:
    bare = forecasting_model(seed=3)
    bare.forecaster = None
    for stream in (Stream(MODEL), Foretelling(bare)):
        assert not any("forecast" in message for message in stream.take(*COURSE))
    with pytest.raises(ValueError, match="no forecast head"):
        bare.forecast(*hours(1))


def test_what_comes_later_does_not_change_a_forecast() -> None:
    stream, other = Foretelling(MODEL), Foretelling(MODEL)
    common = [observation(h, heart_rate=80 + h, spo2=96) for h in range(4)]
    before = forecasts_of(stream.take(*common, observation(4, heart_rate=70)))
    assert forecasts_of(other.take(*common, observation(4, heart_rate=150)))[:4] == before[:4]


def test_the_monitor_foretells_when_asked_to(tmp_path: Any) -> None:
    make(MODEL, {}, "").save(tmp_path / "with")
    random_bundle().save(tmp_path / "without")
    asked = Monitor(tmp_path / "with", 0, forecast=True).update_many(COURSE)[0]
    assert forecasts_of(asked) == forecasts_of(Foretelling(MODEL).take(*COURSE))
    for message in itertools.chain(
        Monitor(tmp_path / "with", 0).update_many(COURSE)[0],
        Monitor(tmp_path / "without", 0).update_many(COURSE)[0],
    ):
        assert "forecast" not in message
    assert not bundles.load(tmp_path / "without").has_forecast
    with pytest.raises(BundleError, match="forecast_epochs"):
        Monitor(tmp_path / "without", forecast=True)


def test_limits_of_the_foretold_are_those_of_their_variables() -> None:
    assert [INDEX[name] for name in FORECAST_VITALS] == VARIABLES.tolist()
    seen, out = hours(1)
    seen[:, LAST] = [90, 70, 18, 100, 37]
    assert MODEL.forecast(seen, out)[0, INDEX_OF["spo2"]].max() <= 100
