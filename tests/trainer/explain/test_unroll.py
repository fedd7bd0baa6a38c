from __future__ import annotations

from pathlib import Path

import numpy as np

from streamer.core.cleaning import clean
from tests.support.explained_stay import one_stay
from tests.support.small_models import random_model
from trainer.data.dataset import build_features
from trainer.explain.unroll import unroll


def test_each_variant_is_stepped_as_the_stay_it_is(tmp_path: Path) -> None:
    model, stay = random_model(2, layers=2), one_stay(tmp_path)
    other = one_stay(tmp_path)
    other.values[5] = np.nan
    run = unroll(model, stay, np.stack([clean(stay.values), clean(other.values)]))
    for variant, cohort in enumerate((stay, other)):
        features = build_features(cohort)
        np.testing.assert_array_equal(run.features[variant], features)
        logits = model.logits(features[:, None])[:, 0]
        np.testing.assert_allclose(run.logits[variant], logits, rtol=0, atol=1e-5)
    assert run.h.shape == run.c.shape == (2, 30, 2, 8)
    assert not run.h[:, 0].any()  # the state before the first hour
    assert (run.h[0, :6] == run.h[1, :6]).all()
    assert (run.h[0, 6] != run.h[1, 6]).any()
