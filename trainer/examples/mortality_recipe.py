"""The recipe of the mortality example, apart so that the command reads it without PyTorch."""

from __future__ import annotations

from typing import Final

from trainer.training.recipe import Recipe

RECIPE: Final = Recipe(
    teacher_rounds=120,  # a tenth of the hours of the sepsis data, and 48 alike in each stay
    teacher_rate=0.04,
    teacher_windows=0,  # with fewer encoder epochs: a minute in all
    reading_epochs=3,
    utility_weight=0.0,  # the sepsis utility says nothing of this label
    head_weights=(1.0, 0.0, 0.0),  # death has no horizons: one head
    batch_hours=512,
    epochs=6,
)
