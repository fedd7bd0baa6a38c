"""The figure of ``trainer example drug-effects``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.examples import drawing
from trainer.examples.drug_cohort import DRUGS, LONGEST, SHAPES, curves
from trainer.examples.drug_models import GLM_DECAY, GLM_LAGS, GLM_SUM, LSTM, RNN

Floats = NDArray[np.float64]

DRAWN = (GLM_SUM, GLM_DECAY, GLM_LAGS, RNN, LSTM)  # "dose now" is one point and then nothing


def draw_effects(recovered: Sequence[Mapping[str, Floats]], gates: Floats) -> Figure:
    """Draws the recovered curves above, and the changes of the forget gates below.

    Args:
        recovered: for each repetition, by model, (3, LONGEST) curves.
        gates: (3, hidden, LONGEST) changes of the forget gates.
    """
    figure, axes = drawing.panels(2, len(DRUGS), (11, 7))
    colours = drawing.colours_of(DRAWN)
    lag = np.arange(LONGEST)
    for d, drug in enumerate(DRUGS):
        above = axes[d]
        above.plot(lag, curves()[d], color=drawing.INK, lw=3.5, alpha=0.35, label="truth")
        for name in DRAWN:
            drawn = np.array([curve[name][d] for curve in recovered])
            above.plot(lag, drawn.mean(axis=0), color=colours[name], lw=1.5, label=name)
            above.fill_between(
                lag, drawn.min(axis=0), drawn.max(axis=0), color=colours[name], alpha=0.15
            )
        above.set(title=f"drug {drug}: {SHAPES[d]}", xlabel="hours since the dose")
        above.set_xticks(range(0, LONGEST + 1, 6))
        if d == 0:
            above.set_ylabel("effect of one dose on the status")
            above.legend(fontsize=8)
    most = max(float(np.abs(gates).max()), 1e-6)
    for d, drug in enumerate(DRUGS):
        below = axes[len(DRUGS) + d]
        below.grid(False)
        # Units that move early on top: the order is of each drug, so rows are not the same units.
        order = np.argsort(np.abs(gates[d]).argmax(axis=1), kind="stable")
        image = below.imshow(
            gates[d][order],
            aspect="auto",
            cmap="RdBu",
            vmin=-most,
            vmax=most,
            extent=(-0.5, LONGEST - 0.5, len(order) - 0.5, -0.5),
            interpolation="nearest",
        )
        below.set(title=f"forget gates after one dose of {drug}", xlabel="hours since the dose")
        below.set_xticks(range(0, LONGEST + 1, 6))
        if d == 0:
            below.set_ylabel("unit, by the hour of its greatest change")
    figure.colorbar(image, ax=axes[len(DRUGS) :], label="change of the gate (1 keeps, 0 forgets)")
    return figure
