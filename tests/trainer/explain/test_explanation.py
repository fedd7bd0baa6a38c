from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from streamer.core.alerts import AlertPolicy, Phase
from streamer.core.cleaning import clean
from streamer.core.variables import INDEX, VARIABLES
from streamer.datasets.cohort import Cohort
from streamer.datasets.physionet2019 import read_2019
from streamer.feeds.replay import replay
from tests.support.event_stream import ORIGIN_MS, Stream
from tests.support.small_models import random_model, silenced
from tests.support.synthetic_stays import COLUMNS, Row, stay, write_parquet
from trainer.data.dataset import build_features
from trainer.errors import InputError
from trainer.explain.explanation import Explanation, explain
from trainer.explain.influence import Influence, Measurement, influences
from trainer.explain.measurement_arg import parse
from trainer.explain.plots import draw_influences, draw_stay
from trainer.explain.text import NO_DRUGS, as_object, reading

ONSET_ROW = 20
PANELS = (
    "Measured",
    "Calibrated risk",
    "What each variable adds",
    "Log odds",
    "Gates of the LSTM",
    "Cell state",
)


def one_stay(folder: Path, columns: tuple[str, ...] = COLUMNS) -> Cohort:
    """A stay of 30 h: a pulse each hour, a lactate at hours 6 and 17, fever from hour 10 on."""
    values: dict[int, Row] = {row: {"HR": 80.0 + 2 * row} for row in range(30)}
    values[5]["Lactate"], values[16]["Lactate"] = 3.5, 1.5
    for row in range(9, 30, 4):
        values[row]["Temp"] = 39.0
    rows = {"p000007": stay(30, ONSET_ROW, values=values)}
    return read_2019([write_parquet(folder / "one.parquet", rows, columns)], need_label=False)


@pytest.fixture
def found(tmp_path: Path) -> Explanation:
    return explain(
        random_model(3), one_stay(tmp_path), list(map(parse, ["lactate@6", "heart_rate"]))
    )


@pytest.mark.parametrize("layers", [1, 2])
def test_encoder_and_lstm_add_up_to_the_models_logit(tmp_path: Path, layers: int) -> None:
    model, cohort = random_model(1, layers=layers), one_stay(tmp_path)
    found = explain(model, cohort)
    logits = model.logits(build_features(cohort)[:, None])[:, 0]
    np.testing.assert_allclose(found.glance + found.recall, logits[:, 0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.risks, model.risks(logits), rtol=0, atol=1e-5)


def test_alerts_and_contributions_are_those_of_the_streamer(tmp_path: Path) -> None:
    cohort = one_stay(tmp_path)
    vitals = [m.value for m in replay(cohort, ORIGIN_MS) if m.topic == "vitals"]
    n_reasons = 0
    for seed in range(6):
        model = random_model(seed)
        risk = explain(model, cohort).risks[:, 0]
        model.policy = AlertPolicy(*np.quantile(risk, [0.4, 0.8, 0.3]))  # there is something to say
        found = explain(model, cohort)
        stream = Stream(model)
        stream.take(*vitals[:-1])  # without the discharge, which ends an alert, too
        said = [m.content for m in stream.messages if m.kind == "alert"]
        rows = np.flatnonzero(found.phases)
        assert [Phase(found.phases[row]).name.lower() for row in rows] == [a["phase"] for a in said]
        for row, alert in zip(rows.tolist(), said, strict=True):
            for reason in alert.get("reasons", []):
                n_reasons += 1
                variable = INDEX[reason["variable"]]
                ours = found.contributions[row, variable]
                assert reason["contribution"] == pytest.approx(ours, abs=6e-4)  # three decimals
                assert reason["direction"] == ("high" if found.high[row, variable] else "low")
    assert n_reasons >= 6


def test_an_influence_is_the_difference_that_the_measurement_makes(
    tmp_path: Path, found: Explanation
) -> None:
    cohort, model = one_stay(tmp_path), random_model(3)
    lactate, pulse = found.influences
    assert lactate.measurement == Measurement(INDEX["lactate"], 5)
    assert (lactate.value, lactate.replaced) == (3.5, 16)
    assert pulse.measurement.row == found.peak
    for influence in found.influences:
        row = influence.measurement.row
        without = one_stay(tmp_path)
        without.values[row, influence.measurement.variable] = np.nan
        with_it, without_it = (
            model.logits(build_features(each)[:, None])[:, 0] for each in (cohort, without)
        )
        np.testing.assert_allclose(influence.change, (with_it - without_it)[:, 0], atol=1e-5)
        np.testing.assert_allclose(influence.risk_without, model.risks(without_it)[:, 0], atol=1e-5)
        assert np.abs(influence.change[:row]).max(initial=0) == 0
        assert np.abs(influence.change[row:]).max() > 1e-3


def test_the_two_ways_of_an_influence_add_up(found: Explanation) -> None:
    for influence in found.influences:
        row = influence.measurement.row
        both = influence.by_features + influence.by_state
        np.testing.assert_allclose(both, influence.change, rtol=0, atol=1e-12)
        assert influence.by_state[row] == 0  # the state before the hour cannot know of it
        assert influence.by_state[row + 1] != 0
        assert influence.by_features[row] == influence.change[row]


def test_what_never_reads_the_state_is_not_changed_by_it(tmp_path: Path) -> None:
    model, cohort = random_model(3), one_stay(tmp_path)
    model.network = silenced(model.network, "memory_head")
    (lactate,) = influences(model, cohort, clean(cohort.values), [Measurement(INDEX["lactate"], 5)])
    assert (lactate.by_state == 0).all()
    assert (lactate.by_features == lactate.change).all()
    assert lactate.change[5] != 0


@pytest.mark.parametrize(
    ("change", "hours"),
    [
        ([0, 0, 4, 3, 1, 1], 2),  # measured in row 2, weak from row 4 on
        ([0, 0, 1, -4, 1, 2, 1], 4),  # it fell below half and came back
        ([0, 0, 1, 2, 1], None),  # half is left at the end
        ([0, 0, 5], None),
    ],
)
def test_hours_until_half_of_an_influence_is_gone(change: list[float], hours: int | None) -> None:
    series = np.array(change, np.float64)
    influence = Influence(Measurement(0, 2), 80.0, None, series, series, 0 * series, series)
    assert influence.hours_to_half == hours


def test_what_is_followed_can_be_named(tmp_path: Path) -> None:
    model, cohort = random_model(0), one_stay(tmp_path)
    named = explain(model, cohort, [parse("lactate@17"), parse("temperature@10")]).influences
    rows = [(each.measurement.variable, each.measurement.row) for each in named]
    assert rows == [(INDEX["lactate"], 16), (INDEX["temperature"], 9)]
    for words, why in (
        ("lactat", "there are heart_rate"),
        ("ph", "was not measured"),
        ("lactate@7", "its hours: \\[6, 17\\]"),
        ("lactate@soon", "is no hour"),
        ("lactate@", "is no hour"),
    ):
        with pytest.raises(InputError, match=why):
            explain(model, cohort, [parse(words)])


def test_without_names_the_strongest_at_the_peak_are_followed(tmp_path: Path) -> None:
    n_followed = 0
    for seed in range(5):
        found = explain(random_model(seed), one_stay(tmp_path))
        added = [found.contributions[found.peak, i.measurement.variable] for i in found.influences]
        assert added == sorted(added, reverse=True)
        n_followed += len(added)
        kinds = [VARIABLES[i.measurement.variable].is_vital for i in found.influences]
        assert max(kinds.count(True), kinds.count(False), 0) <= 2
    assert n_followed >= 5


def titles(figure: Figure) -> list[str]:
    return [title for axes in figure.axes if (title := axes.get_title(loc="left"))]


def test_the_picture_has_all_panels_on_one_time_axis(found: Explanation) -> None:
    figure = draw_stay(found)
    drawn = titles(figure)
    assert len(drawn) == len(PANELS)
    assert all(map(str.startswith, drawn, PANELS))
    assert round(figure.get_figwidth() * 120) == 1600
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert {axes.get_xlim() for axes in panels} == {(0.5, 30.5)}
    strips = {axes.get_ylabel().split("\n")[0] for axes in figure.axes}
    assert {"heart rate", "temperature", "lactate"} <= strips
    assert "SpO2" not in strips  # it was never measured
    risk = panels[1]
    legend: Any = risk.get_legend()
    words = [text.get_text() for text in legend.get_texts()]
    assert words[-1] == "onset (label)"
    assert {"within 6 h", "within 24 h", "within 48 h"} <= set(words)


def test_the_second_picture_has_a_panel_for_each_measurement(found: Explanation) -> None:
    figure = draw_influences(found)
    lactate, pulse = titles(figure)
    assert lactate == "lactate 3.5 mmol/L, measured at hour 6"
    assert pulse.startswith("heart rate")
    assert any("Drugs are no input" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize("hours", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_shortest_and_emptiest_stays_are_drawn_and_told(
    tmp_path: Path, hours: int, seed: int
) -> None:
    columns = tuple(c for c in COLUMNS if c != "SepsisLabel")
    values: dict[int, Row] = {0: {"HR": 90.0}} if hours == 1 else {}
    file = write_parquet(tmp_path / "s.parquet", {"p1": stay(hours, values=values)}, columns)
    found = explain(random_model(seed), read_2019([file], need_label=False))
    assert math.isnan(found.onset)
    for figure in (draw_stay(found), draw_influences(found)):
        figure.savefig(tmp_path / "drawn.png")
    assert "no label says" in reading(found)[0]
    assert as_object(found)["labelled"] is False


def test_the_reading_says_what_the_figures_show(found: Explanation) -> None:
    said = reading(found)
    assert f"onset labelled at hour {found.onset:.0f}" in said[0]
    assert found.onset == 1 + ONSET_ROW + 6
    assert f"highest at hour {found.hour[found.peak]}" in said[0]
    (lactate,) = [sentence for sentence in said if "lactate 3.5 mmol/L of hour 6" in sentence]
    assert "measured again 11 h after it" in lactate
    assert said[-1] == NO_DRUGS


def test_a_missed_patient_is_told_what_spoke_against_an_alert(found: Explanation) -> None:
    quiet = replace(
        found,
        phases=np.zeros_like(found.phases),
        contributions=np.tile(np.where(np.arange(34) == INDEX["heart_rate"], -0.5, 0.0), (30, 1)),
    )
    said = " ".join(reading(quiet))
    assert "No alert was given" in said
    assert "no variable raised" in said
    assert f"lowered them most at hour {found.onset:.0f}: heart rate" in said
