"""Stays whose vital signs follow a known law, an autoregression, for tests of the forecast."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.synthetic_stays import Row, stay, write_parquet
from tests.support.training_material import material_of
from trainer.data.dataset import Material
from trainer.training.recipe import Recipe

MEMORY = 0.7
"""Share of a deviation from the common mean that a vital sign keeps in an hour."""

FORECAST_RECIPE = Recipe(forecast_epochs=12, forecast_units=16, batch_hours=128, learning_rate=1e-2)
"""Seconds on one core, and enough to learn the law."""


def wandering_stays(n_stays: int, seed: int = 0) -> dict[str, list[Row]]:
    """Stays whose pulse, pressure and temperature go back to a mean by a known law; no SpO2."""
    draws = np.random.default_rng(seed)
    stays = {}
    for i in range(n_stays):
        hours = int(draws.integers(20, 40))
        off = draws.normal(0, 1, 3) * (1 - MEMORY**2) ** -0.5
        values: dict[int, Row] = {}
        for hour in range(hours):
            off = MEMORY * off + draws.normal(0, 1, 3)
            values[hour] = {"HR": 85 + 8 * off[0], "MAP": 75 + 6 * off[1]}
            if draws.random() < 0.5:
                values[hour]["Temp"] = 37 + 0.3 * off[2]
        stays[f"p{i:06}"] = stay(hours, values=values)
    return stays


def wandering_material(folder: Path) -> Material:
    """Two hundred such stays as material of a training run."""
    return material_of(write_parquet(folder / "stays.parquet", wandering_stays(200)))
