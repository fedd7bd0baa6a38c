from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from streamer.datasets.physionet2019 import read_2019
from tests.support.small_models import random_model
from tests.support.synthetic_stays import COLUMNS, Row, stay, write_parquet
from trainer.explain.explanation import Explanation, explain
from trainer.explain.json_output import to_json
from trainer.explain.plots import draw_influences, draw_stay
from trainer.explain.text import sentences

PANELS = (
    "Measurements",
    "Calibrated risk",
    "Contribution of each variable",
    "Log odds",
    "LSTM gates",
    "LSTM cell state",
)


def titles(figure: Figure) -> list[str]:
    return [title for axes in figure.axes if (title := axes.get_title(loc="left"))]


def test_the_stay_plot_has_all_panels_on_one_time_axis(explanation: Explanation) -> None:
    figure = draw_stay(explanation)
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


def test_the_influence_plot_has_a_panel_for_each_measurement(explanation: Explanation) -> None:
    figure = draw_influences(explanation)
    lactate, pulse = titles(figure)
    assert lactate == "lactate 3.5 mmol/L, measured at hour 6"
    assert pulse.startswith("heart rate")
    assert any("Drugs are not an input" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize("hours", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_shortest_and_emptiest_stays_are_drawn_and_described(
    tmp_path: Path, hours: int, seed: int
) -> None:
    columns = tuple(c for c in COLUMNS if c != "SepsisLabel")
    values: dict[int, Row] = {0: {"HR": 90.0}} if hours == 1 else {}
    file = write_parquet(tmp_path / "s.parquet", {"p1": stay(hours, values=values)}, columns)
    explanation = explain(random_model(seed), read_2019([file], need_label=False))
    assert math.isnan(explanation.onset)
    for figure in (draw_stay(explanation), draw_influences(explanation)):
        figure.savefig(tmp_path / "drawn.png")
    assert "no label says" in sentences(explanation)[0]
    assert to_json(explanation)["labelled"] is False
