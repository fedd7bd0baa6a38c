from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.example_files import (
    quiet,
    reading_of,
)
from trainer.examples import drug_effects
from trainer.examples.drug_cohort import LONGEST, curves
from trainer.examples.drug_models import MODELS, Fitted
from trainer.examples.estimates import Estimate


def test_drug_effects(tmp_path: Path) -> None:
    text = reading_of(drug_effects.run(tmp_path, quiet(), patients=40, epochs=2, repetitions=2))
    assert "Drug B (flat, then drops) is recovered" in text
    assert "after a dose of C they move most" in text


def test_a_model_with_the_true_effects_recovers_the_curves() -> None:
    truth = curves()

    def predict_status(doses: np.ndarray) -> np.ndarray:
        status = np.zeros(doses.shape[:2])
        for lag in range(LONGEST):
            status[:, lag:] += doses[:, : doses.shape[1] - lag] @ truth[:, lag]
        return status

    doses = np.zeros((4, 72, 3))
    doses[:, 3] = 1  # is taken away where the drug itself is asked about
    recovered = drug_effects.response(Fitted(predict_status), doses)
    np.testing.assert_allclose(recovered, truth, atol=1e-12)
    np.testing.assert_allclose(drug_effects.curve_errors(recovered), 0, atol=1e-12)
    np.testing.assert_allclose(drug_effects.curve_errors(np.zeros_like(truth)), 1)


def test_the_reading_follows_from_the_figures() -> None:
    flat = {name: np.full((2, 3), 0.9) for name in MODELS}
    flat["RNN"] = np.full((2, 3), 0.1)
    same = [Estimate(0.5, 0.4, 0.6)] * len(MODELS)
    nothing = [Estimate(0.0, -0.1, 0.1)] * len(MODELS)
    first = drug_effects.Repetition(
        {n: Fitted(lambda d: d[..., 0], note="a note") for n in MODELS}, {}, {}
    )
    gates = np.random.default_rng(0).normal(size=(3, 4, LONGEST))
    text = "\n".join(drug_effects._reading(flat, [*same, *nothing], first, gates))
    assert text.count("in every cohort by: RNN; in no cohort by: 'GLM, dose now'") == 3
    assert "the LSTM cannot be told apart from 'GLM, dose now'" in text
    assert "better" not in text
