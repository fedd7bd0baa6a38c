from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamer.core.variables import INDEX
from tests.support.explained_stay import ONSET_ROW
from trainer.explain.explanation import Explanation
from trainer.explain.text import NO_DRUGS, sentences


def test_the_sentences_have_onset_peak_and_measurements(explanation: Explanation) -> None:
    reading = sentences(explanation)
    assert f"onset labelled at hour {explanation.onset:.0f}" in reading[0]
    assert explanation.onset == 1 + ONSET_ROW + 6
    assert f"highest at hour {explanation.hour[explanation.peak]}" in reading[0]
    (lactate,) = [sentence for sentence in reading if "lactate 3.5 mmol/L of hour 6" in sentence]
    assert "measured again 11 h after it" in lactate
    assert reading[-1] == NO_DRUGS


def test_a_missed_patient_has_the_variables_that_lowered_the_risk(explanation: Explanation) -> None:
    quiet = replace(
        explanation,
        phases=np.zeros_like(explanation.phases),
        contributions=np.tile(np.where(np.arange(34) == INDEX["heart_rate"], -0.5, 0.0), (30, 1)),
    )
    text = " ".join(sentences(quiet))
    assert "No alert was given" in text
    assert "no variable raised" in text
    assert f"at hour {explanation.onset:.0f} were lowered most by heart rate" in text
