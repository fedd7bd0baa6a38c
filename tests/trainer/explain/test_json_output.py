from __future__ import annotations

import json

import numpy as np

from trainer.explain.explanation import Explanation
from trainer.explain.json_output import to_json
from trainer.explain.text import sentences


def test_the_object_has_the_figures_of_the_explanation(explanation: Explanation) -> None:
    content = json.loads(json.dumps(to_json(explanation)))
    assert content == to_json(explanation)  # JSON values only
    assert content["hours"] == explanation.hour.tolist()
    assert content["onset_hour"] == explanation.onset
    assert content["labelled"] is True
    np.testing.assert_array_equal(
        list(content["risks"].values()), explanation.risks.T, err_msg="exact"
    )
    logit = np.add(content["log_odds"]["encoder"], content["log_odds"]["lstm"])
    np.testing.assert_allclose(
        logit, explanation.encoder_logit + explanation.lstm_logit, rtol=0, atol=1.1e-5
    )
    assert content["reading"] == sentences(explanation)


def test_only_variables_with_a_value_have_contributions(explanation: Explanation) -> None:
    assert set(to_json(explanation)["contributions"]) == {"heart_rate", "temperature", "lactate"}


def test_an_influence_names_its_measurement_and_the_next(explanation: Explanation) -> None:
    lactate, _ = to_json(explanation)["influences"]
    named = {name: lactate[name] for name in ("variable", "hour", "value", "unit")}
    assert named == {"variable": "lactate", "hour": 6, "value": 3.5, "unit": "mmol/L"}
    assert lactate["measured_again_hour"] == 17
    whole = np.add(lactate["by_features"], lactate["by_state"])
    np.testing.assert_allclose(whole, lactate["change"], rtol=0, atol=2e-5)
