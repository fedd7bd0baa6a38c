from __future__ import annotations

import numpy as np

from trainer.examples.drug_cohort import DRUGS, LONGEST, curves
from trainer.examples.drug_figure import DRAWN, draw_effects


def test_each_drug_has_its_curves_and_its_gates() -> None:
    recovered = [{name: curves() + shift for name in DRAWN} for shift in (0.0, 0.2)]
    gates = np.random.default_rng(0).normal(size=(len(DRUGS), 5, LONGEST))
    figure = draw_effects(recovered, gates)
    above, below = figure.axes[: len(DRUGS)], figure.axes[len(DRUGS) : 2 * len(DRUGS)]
    for d, axes in enumerate(above):
        truth, *lines = axes.get_lines()
        np.testing.assert_allclose(np.asarray(truth.get_ydata()), curves()[d])
        assert [line.get_label() for line in lines] == list(DRAWN)
        mean = np.asarray(lines[0].get_ydata())
        np.testing.assert_allclose(mean, curves()[d] + 0.1)
    for axes in below:
        (image,) = axes.get_images()
        assert image.get_array().shape == (5, LONGEST)  # type: ignore[union-attr]
