from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamer.core.time import HOUR_MS
from streamer.sim.labs import N_LABS, Draw
from streamer.sim.monitor import Monitor
from streamer.sim.patient import draw_patient
from streamer.sim.physiology import FIO2, HR, MAP, TEMP
from streamer.sim.scenario import Wire
from streamer.sim.stay import Stay, draw_stay
from streamer.sim.wire import LEADS_OFF, Sent, StayWire

EVERY_MS = 60_000
OFF = Wire.off()


def long_stay() -> Stay:
    for seed in range(100):
        rng = np.random.default_rng(seed)
        patient = draw_patient(rng, 1, N_LABS)
        stay = draw_stay(rng, patient, index=0, admit_ms=0, bed="01", sepsis_share=0.0)
        if stay.course.length_h > 40:
            return stay
    raise AssertionError("no stay of 40 hours in 100 draws")


STAY = long_stay()


def sent_by(wire: Wire) -> tuple[Sent, StayWire]:
    monitor = Monitor(STAY, np.random.default_rng(1), EVERY_MS)
    stay_wire = StayWire(wire, np.random.default_rng(2), STAY, monitor, EVERY_MS)
    return stay_wire.rows(monitor.rows(0, monitor.n_rows)), stay_wire


def test_a_perfect_wire_changes_nothing_but_the_precision() -> None:
    sent, _ = sent_by(OFF)
    rows = Monitor(STAY, np.random.default_rng(1), EVERY_MS)
    clean = rows.rows(0, rows.n_rows)
    np.testing.assert_allclose(sent.values, clean.values, atol=1e-4)
    np.testing.assert_array_equal(sent.due_ms, clean.time_ms)
    assert not sent.held_up.any()
    assert (sent.repeat_ms == -1).all()


def test_a_cuff_measures_pressure_every_quarter_of_an_hour() -> None:
    sent, wire = sent_by(replace(OFF, cuff_share=1.0))
    assert wire.cuff
    measured = sent.number[np.isfinite(sent.values[:, MAP])]
    assert len(measured)
    assert (measured % 15 == 0).all()


def test_a_stuck_gateway_repeats_a_row_for_hours() -> None:
    sent, _ = sent_by(replace(OFF, frozen_share=1.0))
    rate = sent.values[:, HR]
    changes = np.flatnonzero(np.diff(rate) != 0)
    longest = np.diff(np.concatenate([[-1], changes, [len(rate) - 1]])).max()
    assert 6 * 60 <= longest <= 12 * 60 + 1


def test_late_rows_come_a_minute_to_four_hours_later() -> None:
    sent, _ = sent_by(replace(OFF, late_share=1.0))
    delay_ms = sent.due_ms - sent.time_ms
    assert 60_000 <= delay_ms.min() <= delay_ms.max() <= 4 * HOUR_MS + 60_000
    assert sent.held_up.all()


def test_artefacts_are_values_outside_the_limits() -> None:
    sent, _ = sent_by(replace(OFF, artefact_share=0.5))
    rate = sent.values[:, HR]
    assert (rate == LEADS_OFF).any()
    assert (rate == 0).any()
    assert np.nanmax(sent.values[:, MAP]) >= 260


def test_other_units_are_degrees_fahrenheit_and_percent() -> None:
    sent, wire = sent_by(replace(OFF, other_units_share=1.0))
    assert wire.other_units
    assert np.nanmin(sent.values[:, TEMP]) > 90
    fio2 = sent.values[:, FIO2]
    assert not np.isfinite(fio2).any() or np.nanmin(fio2) >= 21
    draw = Draw(1.0, "chemistry", {"creatinine": 1.0, "bun": 18.0})
    _, values, units = wire.laboratory(draw, 0)
    assert values == {"creatinine": 88.4, "bun": 18.0}
    assert units == {"creatinine": "umol/L"}


def test_glucose_at_the_bedside_has_no_delay_by_the_laboratory() -> None:
    _, wire = sent_by(replace(OFF, lab_delay_min_minutes=30.0, lab_delay_max_minutes=90.0))
    due_ms, _, _ = wire.laboratory(Draw(1.0, "chemistry", {"bun": 18.0}), 1_000)
    assert 30 * 60_000 <= due_ms - 1_000 <= 90 * 60_000
    assert wire.laboratory(Draw(1.0, "point_of_care_glucose", {"glucose": 99.0}), 1_000)[0] == 1_000


def test_a_message_is_repeated_with_the_configured_share() -> None:
    _, wire = sent_by(OFF)
    assert wire.repeat(5) == -1
    _, wire = sent_by(replace(OFF, duplicate_share=1.0))
    assert wire.repeat(5) > 5
