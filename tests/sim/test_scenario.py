from __future__ import annotations

from pathlib import Path

import pytest

from streamer.sim.knobs import ScenarioError
from streamer.sim.scenario import Scenario, Wire, load_scenario, parse_scenario


def test_a_scenario_names_all_its_faults() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario('{"beds": 0, "sepsis_share": 2, "colour": "red"}')
    for name in ("beds", "sepsis_share", "colour"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "is a JSON object"),
        ("{", "not JSON"),
        ('{"bed": 3}', "bed is not a knob; did you mean beds"),
        ('{"wire": 3}', "wire must be an object"),
        ('{"treatment": 3}', "treatment must be an object"),
        ('{"treatment": {"effect": 11}}', "treatment.effect must lie from 0 to 10"),
        ('{"treatment": {"shape": "flat"}}', "one of exponential, plateau, delayed; it is 'flat'"),
        ('{"treatment": {"dose": 1}}', "treatment.dose is not a knob"),
        ('{"beds": 1.5}', "beds must be a whole number; it is 1.5"),
        ('{"wire": {"late_share": true}}', "wire.late_share must be a number from 0 to 1"),
        ('{"wire": {"lab_delay_min_minutes": 99}}', "lab_delay_min_minutes is above"),
    ],
)
def test_a_bad_scenario_names_knob_and_limits(text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(text)


def test_parameters_that_a_file_does_not_name_keep_their_defaults(tmp_path: Path) -> None:
    file = tmp_path / "ward.json"
    file.write_text('{"beds": 3, "wire": {"rounding": false}}')
    assert load_scenario(file) == Scenario(beds=3, wire=Wire(rounding=False))
    file.write_text('{"beds": 0}')
    with pytest.raises(ScenarioError, match=r"ward\.json:\n  beds must lie from 1"):
        load_scenario(file)
