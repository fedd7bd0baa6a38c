from __future__ import annotations

from bench.independent_oracle.ledger import HOUR_MS, Event
from bench.independent_oracle.stays import Alert, Stay
from bench.independent_oracle.variables import INDEX

POLICY = {"off": 0.1, "medium": 0.2, "high": 0.4}
START_MS = 1_767_225_600_000


def observation(hours: float, revision: int = 0, **values: float | None) -> Event:
    time_ms = START_MS + round(hours * HOUR_MS)
    return Event("observation", "p", time_ms, {"values": values, "revision": revision}, time_ms)


def test_an_alert_follows_the_risks() -> None:
    alert, phases = Alert(), []
    for hours, risk in enumerate([0.3, 0.15, 0.5, 0.05, 0.3, 0.3, 0.05]):
        phases_now = alert.judge("p", risk, START_MS + hours * HOUR_MS, POLICY, in_stay=True)
        phases += [(hours, phase) for _, phase, *_ in phases_now]
    assert phases == [(0, "start"), (2, "escalate"), (3, "end")]
    (second,) = alert.judge("p", 0.3, START_MS + 12 * HOUR_MS, POLICY, in_stay=True)
    assert second == ("p", "start", START_MS + 12 * HOUR_MS, 2, "medium", None)


def test_a_value_counts_by_time_in_its_bin() -> None:
    stay, pulse = Stay(START_MS, admitted=True), INDEX["heart_rate"]
    for hours, rate in ((0.5, 90.0), (0.2, 120.0), (0.5, 80.0), (49.5, 70.0), (1.5, 60.0)):
        assert stay.observe(observation(hours, heart_rate=rate))[0] is None
    shown = {b: row[pulse][-1][2] for b, row in stay.moments.items()}
    assert shown == {0: 90.0, 49: 70.0, 1: 60.0}
    assert stay.observe(observation(0.9, heart_rate=70)) == ("too_late", False)
    assert stay.observe(observation(-0.1, heart_rate=70)) == ("before_admission", False)


def test_two_weeks_of_silence_begin_another_stay() -> None:
    stay = Stay(START_MS, admitted=True)
    stay.observe(observation(0))
    assert not stay.leaves(observation(336.9))
    assert stay.leaves(observation(337))


def test_a_withdrawn_value_shows_the_one_before_and_again_changes_nothing() -> None:
    stay, pulse = Stay(START_MS, admitted=True), INDEX["heart_rate"]
    stay.observe(observation(0.2, heart_rate=120.0))
    stay.observe(observation(0.5, heart_rate=90.0))
    assert stay._row(0) == {pulse: 90.0}
    assert stay.observe(observation(0.5, 1, heart_rate=None)) == (None, True)
    assert stay._row(0) == {pulse: 120.0}
    assert stay.observe(observation(0.5, heart_rate=90.0)) == (None, False)
    assert stay.observe(observation(0.5, 1, heart_rate=80.0)) == (None, True)
    assert stay._row(0) == {pulse: 80.0}


def test_a_discharge_is_final_after_a_day() -> None:
    stay = Stay(START_MS, admitted=True)
    stay.observe(observation(0))
    stay.discharge_ms = START_MS
    assert not stay.leaves(observation(23.99))
    assert stay.leaves(observation(24))
