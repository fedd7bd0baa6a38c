from __future__ import annotations

import numpy as np

from streamer.core.time import HOUR_MS
from streamer.sim.labs import N_LABS
from streamer.sim.monitor import Monitor
from streamer.sim.patient import draw_patient
from streamer.sim.physiology import CLEAN_HIGH, CLEAN_LOW, DBP, HR, MAP, SBP, TEMP
from streamer.sim.stay import Stay, draw_stay


def stay() -> Stay:
    rng = np.random.default_rng(5)
    patient = draw_patient(rng, 1, N_LABS)
    return draw_stay(rng, patient, index=0, admit_ms=0, bed="01", sepsis_share=0.0)


def test_rows_follow_each_other_from_the_connection_to_the_discharge() -> None:
    monitored = stay()
    monitor = Monitor(monitored, np.random.default_rng(0), 60_000)
    assert 120_000 <= monitor.first_ms <= 300_000
    rows = monitor.rows(0, monitor.n_rows)
    assert rows.number.tolist() == list(range(monitor.n_rows))
    assert (np.diff(rows.time_ms) == 60_000).all()
    assert rows.time_ms[-1] < monitored.discharge_ms <= rows.time_ms[-1] + 60_000


def test_values_are_coherent_and_temperature_is_charted_in_some_hours() -> None:
    monitor = Monitor(stay(), np.random.default_rng(0), 60_000)
    values = monitor.rows(0, monitor.n_rows).values
    known = np.isfinite(values)
    assert (values >= CLEAN_LOW)[known].all()
    assert (values <= CLEAN_HIGH)[known].all()
    assert (values[:, DBP] < values[:, MAP]).all()
    assert (values[:, MAP] < values[:, SBP]).all()
    assert 0 < known[:, TEMP].sum() <= stay().course.hours


def test_rows_on_the_hour_have_the_hourly_value_but_for_the_sensors_noise() -> None:
    monitored = stay()
    monitor = Monitor(monitored, np.random.default_rng(0), HOUR_MS)
    rate = monitor.rows(0, monitor.n_rows).values[:, HR]
    hidden = monitored.vitals.hourly[: len(rate), HR]
    assert np.abs(rate - hidden).max() < 5 * 0.7


def test_a_held_row_has_every_value() -> None:
    monitor = Monitor(stay(), np.random.default_rng(0), 60_000)
    assert np.isfinite(monitor.held(30)[[HR, TEMP, SBP, MAP, DBP]]).all()
