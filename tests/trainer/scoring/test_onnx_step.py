from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest

from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core.model import Model
from tests.support.small_models import random_model
from trainer.scoring.onnx_step import to_onnx


def shipped() -> Model:
    return build(bundle.load(bundle.SHIPPED))


@pytest.mark.parametrize(
    "make", [shipped, lambda: random_model(1), lambda: random_model(2, layers=2)]
)
def test_steps_are_those_of_the_service(make: Callable[[], Model]) -> None:
    model = make()
    session = onnxruntime.InferenceSession(to_onnx(model), providers=["CPUExecutionProvider"])
    size, draws, n = model.architecture, np.random.default_rng(0), 50
    h = c = np.zeros((n, size.layers, size.hidden), np.float32)
    h1, c1 = h, c
    for _ in range(6):
        noise = draws.normal(0, 2, (n, size.n_features)).astype(np.float32)
        seen = model.scaling.mean + model.scaling.std * noise
        seen[draws.random(seen.shape) < 0.3] = np.nan
        logits, h, c = model.step(seen, h, c)
        risks, h1, c1 = session.run(None, {"features": seen, "h": h1, "c": c1})
        # Sums of some hundred floats in another order.
        np.testing.assert_allclose(h1, h, rtol=0, atol=2e-5)
        np.testing.assert_allclose(c1, c, rtol=0, atol=1e-4)
        np.testing.assert_allclose(risks, model.risks(logits), rtol=0, atol=1e-5)  # the contract's
    assert np.ptp(risks[:, 0]) > 1e-3


def test_the_file_says_whose_it_is_and_what_it_reads() -> None:
    model = shipped()
    session = onnxruntime.InferenceSession(to_onnx(model), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert about["model"] == model.model_id
    assert len(about["feature_names"].split(",")) == model.architecture.n_features
    assert float(about["threshold"]) == model.threshold
