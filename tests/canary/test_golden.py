from __future__ import annotations

import json

import pytest

from streamer.bundles import bundle, known_risks
from streamer.bundles.build import build
from streamer.canary.golden import PHASES, NoGoldenStay, expected, golden_stay
from streamer.core.alerts import AlertPolicy
from streamer.core.canary import canary_id
from streamer.core.events import Kind, parse
from streamer.core.time import HOUR_MS
from streamer.monitor import Monitor
from tests.support.canaries import golden

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize("interval_ms", [0, 60_000, 3_600_000, 86_400_000])
def test_the_shipped_model_has_a_stay_with_one_alert_to_its_discharge(interval_ms: int) -> None:
    content = bundle.load(bundle.SHIPPED)
    model = build(content)
    stay = golden_stay(model, known_risks.parse(content.known), interval_ms)
    speech = expected(model, stay, interval_ms)
    assert (tuple(speech.phases), speech.ends_by_discharge) == (PHASES, True)
    assert len(stay.hours) >= 4, "what is carried from hour to hour is tried"
    assert speech.risks
    assert all(0 < risk < 1 for risk in speech.risks.values())
    if interval_ms <= HOUR_MS:
        assert speech.risks.keys() == set(range(len(stay.hours)))


@pytest.mark.parametrize("seed", range(8))
def test_an_own_model_has_one_as_well(seed: int) -> None:
    model, stay = golden(seed)
    assert tuple(expected(model, stay, 60_000).phases) == PHASES


def test_its_events_are_good_ones_in_the_order_of_time_and_behind_the_clock() -> None:
    patient = canary_id("icu-7", 3, 12)
    events = golden(3)[1].events(patient, NOW_MS)
    monitor = Monitor(risk_interval_s=0)
    messages, rejections = monitor.update_many(events)
    assert not rejections
    assert messages
    assert not monitor.problems, "each value and each particular is one"
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert NOW_MS - 5 * 60_000 <= times[-1] < NOW_MS - 4 * 60_000
    kinds = [parse(json.dumps(event).encode(), patient.encode())["kind"] for event in events]
    assert kinds == [Kind.ADMISSION, *[Kind.OBSERVATION] * (len(events) - 2), Kind.DISCHARGE]


def test_a_model_that_never_alerts_has_none() -> None:
    content = bundle.load(bundle.SHIPPED)
    model = build(content)
    model.policy = AlertPolicy(medium=0.998, high=0.999, off=0.99)
    with pytest.raises(NoGoldenStay, match=model.shown_id):
        golden_stay(model, known_risks.parse(content.known), 60_000)
